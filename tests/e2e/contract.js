// The contract's JavaScript as a web client writes it, knowing sections 1 to 4 and no more.
const { route, port, userId, token } = Object.fromEntries(new URLSearchParams(location.search));

const socket = new WebSocket(`ws://localhost:${port}/driver/${route}?userId=${userId}`);

socket.onopen = () => {
  if (route === "get-tracking") {
    socket.send(JSON.stringify({ type: "authenticate", payload: { token, command: "start" } }));
    return;
  }
  let lat = -1.4354;
  const send = () => {
    const payload = { token, command: "send", lat: lat.toFixed(4), lon: "0.9871" };
    socket.send(JSON.stringify({ type: "authenticate", payload }));
    lat += 0.001;
  };
  send();
  setInterval(send, 250); // 5 s in the app
};

socket.onmessage = (event) => {
  const { location_lat, location_lon, error } = JSON.parse(event.data);
  if (error) {
    log(`${error.code}: ${error.message}`);
    return;
  }
  document.querySelector("#lat").value = location_lat;
  document.querySelector("#lon").value = location_lon;
  log(`${location_lat} ${location_lon}`);
};

socket.onclose = (event) => log(`closed ${event.code}`);

function log(text) {
  document.querySelector("#log").append(Object.assign(document.createElement("li"), { textContent: text }));
}
