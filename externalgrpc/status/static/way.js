// Draw the way of a machine as a row of steps, each with the time that it took.

import { age, ageless, choose, clock, keep, make, named, say, took } from "./parts.js";

const WORDS = {
  asked: "asked", ordered: "ordered", created: "created", running: "running",
  joined: "joining", node: "node", ready: "ready",
};

/** Give the steps that ways have here: some are seen with kubernetes: in the file only. */
export function stepsOf(status) {
  const taken = new Set([...status.machines, ...status.ended].flatMap((one) => one.way.map((step) => step.step)));
  return Object.keys(WORDS).filter((step) => {
    if (step === "joined") return taken.has("joined");
    return step !== "ready" || status.server.watchesNodes || taken.has("ready");
  });
}

export function makeWay() {
  const list = make("ol", "way");
  list.setAttribute("aria-label", "Way to a node");
  return list;
}

export function drawWay(list, machine, steps) {
  const taken = new Map(machine.way.map((step) => [step.step, step.at]));
  const last = steps.findLastIndex((step) => taken.has(step));
  const broken = Boolean(machine.code) || machine.end === "failed" || machine.phase === "failed";
  let before = null;
  const rows = steps.map((step, place) => {
    const at = taken.get(step);
    const isTaken = taken.has(step) || place < last;
    const state = isTaken ? (broken && place === last ? "broken" : "taken") : step === machine.awaits ? "awaited" : "";
    const row = { step, state, at: at ?? null, since: before };
    if (at !== undefined && at !== null) before = at;
    return row;
  });
  keep(list, rows, (row) => row.step, makeStep, drawStep);
}

function makeStep(row) {
  const dot = make("span", "dot");
  dot.setAttribute("aria-hidden", "true");
  return named(make("li"), { dot, word: make("span", "word", WORDS[row.step]), time: make("span", "time"), state: make("span", "hidden") });
}

function drawStep(element, { state, at, since }) {
  const { time } = element.parts;
  choose(element, state);
  say(element.parts.state, { taken: ", done", awaited: ", awaited", broken: ", and no further" }[state] ?? ", not yet");
  if (state === "awaited" && since !== null) age(time, since, took);
  else if (at !== null) ageless(time, since === null ? clock(at) : `+${took(at - since)}`);
  else ageless(time, state === "taken" ? "unseen" : "");
  time.title = at === null ? "" : clock(at);
}
