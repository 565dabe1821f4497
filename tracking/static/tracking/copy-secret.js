// The button that copies the secret of a webhook endpoint. Without JavaScript there is none.
const button = document.querySelector("[data-copies]");
const secret = document.getElementById(button.dataset.copies);
const status = button.parentElement.querySelector("[role=status]");

button.hidden = false;
button.addEventListener("click", async () => {
  try {
    // Missing over plain HTTP.
    await navigator.clipboard.writeText(secret.textContent);
    status.textContent = status.dataset.copied;
  } catch {
    getSelection().selectAllChildren(secret);
    status.textContent = status.dataset.failed;
  }
});
