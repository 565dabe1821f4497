/** A car on a map, with its accuracy circle and its trail. */

const TRAIL_LENGTH = 60; // fixes
const TRAIL_PARTS = 4; // from the newest to the oldest, each fainter than the previous one

/**
 * @param {any} L Leaflet
 * @param {any} map
 * @param {{ Motion: any }} motion the module
 * @param {{ smooth: boolean, title: string, describedBy: string, pick: () => void,
 *   follow: (at: [number, number]) => void }} options
 *   `describedBy`: ids of the elements that describe the car; `pick` is called on a click or Enter;
 *   `follow` is called with the car's location whenever it is drawn
 */
export function createCar(L, map, { Motion }, { smooth, title, describedBy, pick, follow }) {
  const motion = new Motion({ smooth });
  const parts = Array.from({ length: TRAIL_PARTS }, (_, age) =>
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
  // Degrees of longitude from the car to the copy that is drawn, as the map repeats the world.
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
    parts[0].setLatLngs([...drawn(trail.slice(-partLength())), at]);
    const picture = marker.getElement();
    picture.classList.toggle("tracking-has-heading", heading !== null);
    picture.firstElementChild.style.transform = `rotate(${heading ?? 0}deg)`;
    follow(at);
    if (moving) schedule();
  }

  function schedule() {
    frame ||= requestAnimationFrame(draw);
  }

  /** Return the degrees to the copy of a longitude nearest to the middle of the map. */
  function nearestWorld(longitude) {
    return 360 * Math.round((map.getCenter().lng - longitude) / 360);
  }

  function drawn(places) {
    return places.map(([latitude, longitude]) => [latitude, longitude + world]);
  }

  // When the map is dragged around the world, draw the car in the copy that is in view.
  const onMove = () => {
    const place = motion.at(performance.now());
    if (place && nearestWorld(place.longitude) !== world) schedule();
  };
  map.on("move", onMove);

  /** Return the number of fixes in one part of the trail. */
  function partLength() {
    return Math.ceil(TRAIL_LENGTH / TRAIL_PARTS);
  }

  function drawTrail() {
    for (let age = 1; age < TRAIL_PARTS; age += 1) {
      // Each part starts where the previous one ends, so that there is no gap.
      const end = trail.length - age * partLength() + 1;
      parts[age].setLatLngs(drawn(trail.slice(Math.max(0, end - partLength() - 1), Math.max(0, end))));
    }
  }

  return {
    /** Move the car to a new location, whose `accuracy` and `heading` may be null. */
    push(location) {
      const now = performance.now();
      const before = motion.at(now);
      const jumps = motion.push(location, now);
      if (jumps) trail = [];
      else if (before) trail = [...trail, [before.latitude, before.longitude]].slice(-TRAIL_LENGTH);
      const { latitude, longitude, accuracy } = location;
      circle.setRadius(accuracy ?? 0);
      if (!map.hasLayer(marker)) {
        for (const layer of [...parts, circle, marker]) layer.addTo(map);
      }
      Object.assign(marker.getElement().dataset, { latitude, longitude });
      drawTrail();
      schedule();
    },

    /** Take the car off the map, for good. */
    remove() {
      map.off("move", onMove);
      cancelAnimationFrame(frame);
      for (const layer of [...parts, circle, marker]) layer.remove();
    },

    /** Choose whether the car glides or jumps to a new location. */
    setSmooth(smooth) {
      motion.smooth = smooth;
    },

    /** Set the status, by which the style sheet colours the car. */
    setStatus(status) {
      marker.getElement()?.setAttribute("data-status", status);
    },

    /** The location of the newest fix, to which the car may still glide; null without a fix. */
    get at() {
      const { latitude, longitude } = marker.getElement()?.dataset ?? {};
      if (latitude === undefined) return null;
      return [Number(latitude), Number(longitude) + nearestWorld(Number(longitude))];
    },
  };
}

export function carPicture() {
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
