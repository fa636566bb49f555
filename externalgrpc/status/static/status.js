// Ask for the status, again whenever the server says that something changed, and have it drawn.

import { draw, lost } from "./draw.js";
import { setClock, tick } from "./parts.js";

const AT_MOST_EVERY_MS = 1000;
const AT_LEAST_EVERY_MS = 10000;
const STREAM_AGAIN_MS = 30000;

let stream = null;
let askedAt = 0;
let asking = false;
let again = false;
let planned = 0;

async function ask() {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  askedAt = Date.now();
  try {
    const response = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(8000) });
    if (!response.ok) throw new Error(`the server answers ${response.status}`);
    const status = await response.json();
    if (status.version !== 1) throw new Error("the server is of another release: load the page anew");
    setClock(status.now);
    draw(status, isStreaming());
  } catch (error) {
    lost(error instanceof TypeError ? "no answer" : error.message);
  }
  asking = false;
  if (again) {
    again = false;
    plan();
  }
}

/** Ask soon, and not more than once a second, however much changes. */
function plan() {
  if (planned || document.hidden) return;
  planned = setTimeout(() => {
    planned = 0;
    ask();
  }, Math.max(0, askedAt + AT_MOST_EVERY_MS - Date.now()));
}

function isStreaming() {
  return stream !== null && stream.readyState === EventSource.OPEN;
}

/** Listen; where the server has no place for another listener, asking now and then must do. */
function listen() {
  if (document.hidden || (stream !== null && stream.readyState !== EventSource.CLOSED)) return;
  stream = new EventSource("events");
  stream.addEventListener("open", plan);
  stream.addEventListener("changed", plan);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    return;
  }
  listen();
  plan();
});

setInterval(tick, 1000);
setInterval(listen, STREAM_AGAIN_MS);
setInterval(() => {
  if (Date.now() - askedAt >= AT_LEAST_EVERY_MS) plan();
}, 1000);
listen();
ask();
