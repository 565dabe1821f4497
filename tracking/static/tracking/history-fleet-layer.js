/** A Leaflet layer with the cars of a past moment on one canvas. */

const WORLD = 256; // pixels at zoom 0
const CLICK_RADIUS = 18; // px
const RADIUS = 7; // px
const MIN_ARROW_ZOOM = 13; // below, directions cannot be seen
// Drawn in this order, so that what is recent lies on top.
const STATUSES = ["unconnected", "offline", "stale", "live"];

/**
 * @param {any} L Leaflet
 * @param {{ mercator: (x: number, y: number) => [number, number] }} projection
 * @param {{ createCanvasLayer: Function }} canvas
 */
export function createPastLayer(L, { mercator }, { createCanvasLayer }) {
  let cars = [];
  let picked = null;
  return createCanvasLayer(L, {
    className: "tracking-past",
    readColours,

    /** Draw these drivers instead. */
    setDrivers(drivers) {
      cars = drivers.map((driver) => {
        const [x, y] = mercator(driver.longitude, driver.latitude);
        return { x, y, driver };
      });
      this.refresh();
    },

    pick(id) {
      picked = id;
      this.refresh();
    },

    /** Return the driver at a point of the map's container, undefined if there is none. */
    driverAt({ x, y }) {
      let best = CLICK_RADIUS;
      let found;
      const scale = WORLD * 2 ** this._map.getZoom();
      const { min } = this._map.getPixelBounds();
      for (const car of cars) {
        const [left, top] = place(car, scale, min, this._map.getSize().x);
        const distance = Math.hypot(left - x, top - y);
        if (distance <= best) [best, found] = [distance, car.driver];
      }
      return found;
    },

    paint(context, { colours, zoom, scale, origin, width, height }) {
      let drawn = 0;
      for (const status of STATUSES) {
        context.fillStyle = colours[status];
        context.strokeStyle = colours.edge;
        context.lineWidth = 2;
        for (const car of cars) {
          if (car.driver.status !== status) continue;
          const [x, y] = place(car, scale, origin, width);
          if (x < -RADIUS || y < -RADIUS || x > width + RADIUS || y > height + RADIUS) continue;
          drawn += 1;
          drawCar(context, x, y, zoom >= MIN_ARROW_ZOOM ? car.driver.heading : null);
          if (car.driver.id !== picked) continue;
          context.beginPath();
          context.arc(x, y, RADIUS + 6, 0, 2 * Math.PI);
          context.strokeStyle = colours.ring;
          context.lineWidth = 3;
          context.stroke();
          context.strokeStyle = colours.edge;
          context.lineWidth = 2;
        }
      }
      this._canvas.dataset.cars = String(drawn);
    },
  });
}

/** Return the pixels from `min`, in the copy of the world that is in view. */
function place({ x, y }, scale, min, width) {
  const middle = (min.x + width / 2) / scale;
  return [(x + Math.round(middle - x)) * scale - min.x, y * scale - min.y];
}

function drawCar(context, x, y, heading) {
  context.beginPath();
  if (heading === null) {
    context.arc(x, y, RADIUS, 0, 2 * Math.PI);
  } else {
    const turn = (heading * Math.PI) / 180;
    const [sine, cosine] = [Math.sin(turn), Math.cos(turn)];
    [
      [0, -11],
      [8, 9],
      [0, 5],
      [-8, 9],
    ].forEach(([dx, dy], i) => {
      const at = [x + dx * cosine - dy * sine, y + dx * sine + dy * cosine];
      if (i) context.lineTo(at[0], at[1]);
      else context.moveTo(at[0], at[1]);
    });
    context.closePath();
  }
  context.fill();
  context.stroke();
}

function readColours(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim() || "#888";
  return {
    ...{ edge: read("--day-edge"), ring: read("--tracking-accent"), live: read("--day-live") },
    ...{ stale: read("--day-stop"), offline: read("--day-gap"), unconnected: read("--day-gap") },
  };
}
