/** One car on a map: where it is, how sure that is, and where it came from. */

const TRAIL = 60; // fixes
const FADES = 4; // steps from the newest part of the trail to its end

/**
 * @param {any} L Leaflet
 * @param {any} map
 * @param {{ Motion: any }} motion the module
 * @param {{ smooth: boolean, title: string, describedBy: string, pick: () => void,
 *   follow: (at: [number, number]) => void }} options
 *   `describedBy` are the ids of what says more; `pick` is called on a click or the Enter key
 */
export function createCar(L, map, { Motion }, { smooth, title, describedBy, pick, follow }) {
  const motion = new Motion({ smooth });
  const parts = Array.from({ length: FADES }, (_, age) =>
    L.polyline([], { className: `tracking-trail tracking-trail-${age}`, interactive: false }),
  );
  const circle = L.circle([0, 0], { className: "tracking-accuracy", interactive: false, radius: 1 });
  const marker = L.marker([0, 0], {
    icon: L.divIcon({ className: "tracking-car", iconSize: [44, 44], html: carPicture() }),
    zIndexOffset: 1000,
  });
  marker.on("add", () => {
    const picture = marker.getElement();
    picture.setAttribute("aria-label", title);
    picture.setAttribute("aria-describedby", describedBy);
    picture.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      pick();
    });
  });
  marker.on("click", pick);
  let trail = [];
  let frame = 0;
  // Degrees from where the car is to the copy of the world in which it is drawn.
  let world = 0;

  function draw() {
    frame = 0;
    const now = performance.now();
    const { latitude, longitude, heading, moving } = motion.at(now);
    if (nearestWorld(longitude) !== world) {
      world = nearestWorld(longitude);
      drawTrail();
    }
    const at = [latitude, longitude + world];
    marker.setLatLng(at);
    circle.setLatLng(at);
    parts[0].setLatLngs([...drawn(trail.slice(-bite())), at]);
    const picture = marker.getElement();
    picture.classList.toggle("tracking-has-heading", heading !== null);
    picture.firstElementChild.style.transform = `rotate(${heading ?? 0}deg)`;
    follow(at);
    if (moving) schedule();
  }

  function schedule() {
    frame ||= requestAnimationFrame(draw);
  }

  /** Degrees to the copy of the world in which somewhere is nearest to the middle of the map. */
  function nearestWorld(longitude) {
    return 360 * Math.round((map.getCenter().lng - longitude) / 360);
  }

  function drawn(places) {
    return places.map(([latitude, longitude]) => [latitude, longitude + world]);
  }

  // Who drags the map around the world finds the car there, too.
  map.on("move", () => {
    const place = motion.at(performance.now());
    if (place && nearestWorld(place.longitude) !== world) schedule();
  });

  /** How many fixes one step of the trail holds. */
  function bite() {
    return Math.ceil(TRAIL / FADES);
  }

  function drawTrail() {
    for (let age = 1; age < FADES; age += 1) {
      // Each begins where the one before ends, so that there is no gap.
      const end = trail.length - age * bite() + 1;
      parts[age].setLatLngs(drawn(trail.slice(Math.max(0, end - bite() - 1), Math.max(0, end))));
    }
  }

  return {
    /** Move there; what is null in a location stays unknown. */
    push(location) {
      const now = performance.now();
      const before = motion.at(now);
      const jumps = motion.push(location, now);
      if (jumps) trail = [];
      else if (before) trail = [...trail, [before.latitude, before.longitude]].slice(-TRAIL);
      const { latitude, longitude, accuracy } = location;
      circle.setRadius(accuracy ?? 0);
      if (!map.hasLayer(marker)) {
        for (const layer of [...parts, circle, marker]) layer.addTo(map);
      }
      Object.assign(marker.getElement().dataset, { latitude, longitude });
      drawTrail();
      schedule();
    },

    /** Glide, or jump. */
    setSmooth(smooth) {
      motion.smooth = smooth;
    },

    /** Grey it out, or not. */
    setStatus(status) {
      marker.getElement()?.setAttribute("data-status", status);
    },

    /** Where the newest fix is, not where the picture glides just now. */
    get at() {
      const { latitude, longitude } = marker.getElement()?.dataset ?? {};
      if (latitude === undefined) return null;
      return [Number(latitude), Number(longitude) + nearestWorld(Number(longitude))];
    },
  };
}

function carPicture() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "-22 -22 44 44");
  svg.setAttribute("aria-hidden", "true");
  const shape = (name, attributes) => {
    const node = document.createElementNS(svg.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    svg.append(node);
  };
  shape("circle", { class: "tracking-car-disc", r: "15" });
  shape("path", { class: "tracking-car-arrow", d: "M0-9.5 7 7.5 0 4-7 7.5Z" });
  shape("circle", { class: "tracking-car-dot", r: "5.5" });
  return svg;
}
