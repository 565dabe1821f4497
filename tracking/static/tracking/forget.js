/**
 * Delete the last known trip from this device. Include it in the pages that users see after they
 * log out: `<script type="module" src="{% static 'tracking/forget.js' %}"></script>`.
 */

globalThis.caches?.delete("tracking-memory").catch(() => {});
