// Draw a status: each part of the page is held to what the JSON says.

import { age, ageless, choose, clock, day, keep, make, many, money, named, say, seconds } from "./parts.js";
import { drawWay, makeWay, stepsOf } from "./way.js";

const MOST_MACHINES = 200;
const MOST_READ_OUT = 3;
const TROUBLED = new Set(["failed", "quarantine", "orphan", "trial", "stopped", "unsure"]);
const COLOURS = {
  failed: "bad", quarantine: "warn", orphan: "warn", trial: "warn", stopped: "bad",
  unsure: "warn", deleting: "dim",
};
const WEIGHTS = { note: "dim", good: "good", warning: "warn", trouble: "bad" };
const CALM = new Set(["NotAsked", "OnTheWay", "AtMaxSize"]);
const ENDS = {
  failed: "never became a node", drained: "drained by the autoscaler", deleted: "let go",
  vanished: "gone at the cloud", withdrawn: "order taken back", doubted: "in quarantine",
};

const at = (id) => document.getElementById(id);
let heard = null;
let told = 0;

export function draw(status, streaming) {
  const { cluster, server, machines } = status;
  document.title = `${cluster} · vps-autoscaler`;
  say(at("cluster"), cluster);
  age(at("server"), server.startedAt, (up) => `vps-autoscaler ${server.version}, up for ${seconds(up)}`);
  choose(at("live"), "live good");
  say(at("live"), streaming ? "Live" : "Every 10 s");
  figures(status);
  keep(at("troubles"), status.troubles, (text) => text,
    () => make("p", "banner"), (element, text) => say(element, text));
  keep(at("group-list"), status.groups, (group) => group.name,
    makeGroup, (element, group) => drawGroup(element, group, status));
  const steps = stepsOf(status);
  const shown = [...machines].sort((one, other) => urgency(other) - urgency(one)).slice(0, MOST_MACHINES);
  const left = machines.length - shown.length;
  say(at("machines-note"), !machines.length ? "There are none, and none is on the way."
    : left ? `The ${MOST_MACHINES} that matter most; ${left} more are in the JSON and in vps-autoscaler ls.` : "");
  keep(at("machine-list"), shown, (machine) => `${machine.name} ${machine.providerId}`,
    makeMachine, (element, machine) => drawMachine(element, machine, steps));
  say(at("ended-note"), status.ended.length ? "" : "None has ended since the server started.");
  keep(at("ended-list"), status.ended.slice(0, 20), (one) => `${one.name} ${one.endedAt}`,
    makeMachine, (element, one) => drawEnded(element, one, steps));
  drawRefused(status.refused);
  keep(at("account-list"), status.accounts, (account) => account.name, makeAccount, drawAccount);
  say(at("happenings-note"), status.happenings.length ? "" : "Nothing since the server started.");
  keep(at("happening-list"), status.happenings, (one) => String(one.number), makeHappening, () => {});
  announce(status.happenings);
}

/** Say that the server does not answer; what was drawn last stays. */
export function lost(why) {
  choose(at("live"), "live bad");
  say(at("live"), `No news: ${why}`);
}

/** Read out what happened since the last time, a few sentences every few seconds at most. */
function announce(happenings) {
  const last = happenings.length ? happenings[0].number : 0;
  const fresh = heard === null ? [] : happenings.filter((one) => one.number > heard).reverse();
  if (fresh.length && Date.now() - told < 4000) return; // with what comes next
  if (fresh.length) {
    told = Date.now();
    const more = fresh.length > MOST_READ_OUT ? [`And ${fresh.length - MOST_READ_OUT} more`] : [];
    say(at("news"), [...fresh.slice(0, MOST_READ_OUT).map((one) => one.text), ...more, ""].join(". "));
  }
  heard = last;
}

function figures({ cost, currency, groups, machines }) {
  const nodes = groups.reduce((sum, group) => sum + group.nodes, 0);
  const wanted = groups.reduce((sum, group) => sum + group.targetSize, 0);
  const unpriced = cost.unpriced ? `, without ${cost.unpriced} of unknown price` : "";
  const rows = [
    ["Nodes", `${nodes}`, `of ${many(wanted, "machine", "machines")} wanted`],
    ["Cost an hour", money(cost.perHour, currency, 4), `for ${many(cost.machines, "machine", "machines")}${unpriced}`],
    ["A month like this", money(cost.perMonth, currency, 2), ""],
  ];
  keep(at("figures"), rows, ([name]) => name,
    ([name]) => named(make("div"), { name: make("dt", "", name), value: make("dd", "value"), more: make("dd", "quiet") }),
    (element, [, value, more]) => {
      say(element.parts.value, value);
      say(element.parts.more, more);
    });
}

// ---- groups

function makeGroup(group) {
  const card = make("article", "card");
  const head = named(make("div", "card-head"), { name: make("h3", "", group.name), price: make("span", "quiet") });
  const size = named(make("p", "size"), { target: make("span", "value"), bounds: make("span", "quiet") });
  const bar = make("div", "bar");
  bar.setAttribute("role", "img");
  const parts = { nodes: make("span", "part good"), coming: make("span", "part coming"), bad: make("span", "part bad") };
  named(bar, { ...parts, least: make("span", "least") });
  const legend = make("p", "legend");
  const asked = make("h4");
  const why = named(make("p", "why"), { code: make("span", "pill"), sentence: make("span"), cure: make("span", "cure") });
  const candidates = make("ol", "candidates");
  named(card, { head, size, bar, legend, asked, why, candidates });
  card.setAttribute("aria-label", `Group ${group.name}`);
  return card;
}

function drawGroup(card, group, status) {
  const { head, size, bar, legend, asked, why, candidates } = card.parts;
  const all = Number(group.costPerHour) ? `, ${money(group.costPerHour, status.currency, 4)}/h in all` : "";
  const object = group.vpsNode ? "VPSNode · " : "";
  say(head.parts.price, `${object}${group.account} · ${money(group.pricePerHour, status.currency, 4)}/h each${all}`);
  const { minSize: min, maxSize: max, targetSize: target, nodes } = group;
  const bad = group.phases.failed ?? 0;
  const coming = Math.max(0, target - nodes - bad);
  say(size.parts.target, String(target));
  const limited = group.shownMaxSize < max && !group.departed ? `, no more than ${group.shownMaxSize} for now` : "";
  say(size.parts.bounds, `wanted, of ${min} to ${max}${limited}`);
  const most = Math.max(max, target, 1);
  bar.parts.nodes.style.width = `${(nodes / most) * 100}%`;
  bar.parts.coming.style.width = `${(coming / most) * 100}%`;
  bar.parts.bad.style.width = `${(bad / most) * 100}%`;
  bar.parts.least.style.left = `${(Math.min(min, most) / most) * 100}%`;
  bar.parts.least.hidden = min === 0;
  const counts = [many(nodes, "node", "nodes")];
  if (coming) counts.push(`${coming} on the way`);
  if (bad) counts.push(`${bad} failed`);
  for (const phase of ["deleting", "quarantine"]) {
    if (group.phases[phase]) counts.push(`${group.phases[phase]} ${phase === "deleting" ? "being deleted" : "in quarantine"}`);
  }
  say(legend, counts.join(", "));
  bar.setAttribute("aria-label", `Target ${target}, at least ${min}, at most ${max}: ${counts.join(", ")}`);
  say(asked, nodes ? "Why are there no more nodes?" : "Why is there no node?");
  say(why.parts.code, group.why.code);
  choose(why.parts.code, `pill ${group.why.code === "NotAsked" ? "good" : CALM.has(group.why.code) ? "info" : "warn"}`);
  say(why.parts.sentence, ` ${group.why.sentence}`);
  say(why.parts.cure, group.why.cure ? ` ${group.why.cure}` : "");
  candidates.setAttribute("aria-label", `What ${group.name} orders, in this order`);
  keep(candidates, group.candidates, (one) => `${one.instanceType} ${one.region}`,
    () => named(make("li"), { name: make("bdi"), price: make("span", "quiet"), state: make("span", "note") }),
    (element, one) => {
      say(element.parts.name, `${one.instanceType} in ${one.region}`);
      say(element.parts.price, ` ${money(one.pricePerHour, status.currency, 4)}/h`);
      const hint = !one.sold ? "not sold" : one.refusedUntil !== null ? `refused, tried last until ${clock(one.refusedUntil)}`
        : !one.inStock ? "listed as sold out" : "";
      say(element.parts.state, hint ? ` ${hint}` : "");
      choose(element, hint ? "refused" : "");
      element.title = one.refusedBecause;
    });
}

// ---- machines

function urgency(machine) {
  if (TROUBLED.has(machine.phase) || machine.code) return 3;
  if (machine.awaits) return 2;
  return machine.phase === "deleting" ? 1 : 0;
}

function makeMachine(machine) {
  const row = make("li", "machine");
  const title = named(make("p"), { name: make("strong", "name", `${machine.name} `), phase: make("span", "pill") });
  const more = named(make("p", "quiet"), { what: make("span"), since: make("span") });
  const head = named(make("div", "machine-head"), { title, more });
  return named(row, { head, way: makeWay(), trouble: make("p", "trouble") });
}

/** Say the head of a row: what the machine is, in a word and a colour, and since when. */
function drawHead({ title, more }, { word, colour, what, since, write }) {
  say(title.parts.phase, word);
  choose(title.parts.phase, `pill ${colour}`);
  say(more.parts.what, what.filter(Boolean).join(" · "));
  if (since !== undefined) age(more.parts.since, since, (old) => ` · ${write(seconds(old))}`);
}

function kind(one) {
  return [one.instanceType, one.region].filter(Boolean).join(" in ");
}

function drawMachine(row, machine, steps) {
  const arrived = machine.phase === "running" && !machine.awaits && !machine.code;
  drawHead(row.parts.head.parts, {
    word: arrived ? "node" : machine.phase,
    colour: arrived ? "good" : machine.code ? "bad" : COLOURS[machine.phase] ?? "info",
    what: [machine.group, kind(machine)],
    since: machine.way.find((step) => step.at !== null)?.at,
    write: (old) => `${old} old`,
  });
  drawWay(row.parts.way, machine, steps);
  say(row.parts.trouble, [machine.code, machine.message].filter(Boolean).join(": "));
}

function drawEnded(row, one, steps) {
  drawHead(row.parts.head.parts, {
    word: ENDS[one.end] ?? one.end,
    colour: one.end === "failed" || one.end === "vanished" ? "bad" : "dim",
    what: [one.group, kind(one)],
    since: one.endedAt,
    write: (old) => `${old} ago`,
  });
  drawWay(row.parts.way, { ...one, awaits: "" }, steps);
  say(row.parts.trouble, [one.code, one.message].filter(Boolean).join(": "));
}

// ---- accounts, refusals, happenings

function drawRefused(refused) {
  say(at("refused-note"), refused.length ? "" : "Nothing within the last five minutes.");
  at("refused-table").hidden = !refused.length;
  keep(at("refused-list"), refused, (one) => `${one.what} ${one.at}`,
    (one) => named(make("tr"), { what: rowHead(one.what), said: make("td"), until: make("td") }),
    (row, one) => {
      say(row.parts.said, `${one.code}: ${one.message}`);
      say(row.parts.until, clock(one.until));
      row.parts.until.title = `said ${day(one.at)}`;
    });
}

function rowHead(text) {
  const made = make("th", "", text);
  made.scope = "row";
  return made;
}

function makeAccount(account) {
  const name = rowHead(account.name);
  name.append(make("span", "quiet provider", account.provider));
  const budget = named(make("td"), { text: make("span"), meter: make("div", "meter") });
  named(budget.parts.meter, { full: make("span", "part") });
  budget.parts.meter.setAttribute("aria-hidden", "true");
  const listed = named(make("td"), { when: make("span"), trouble: make("span", "trouble") });
  return named(make("tr"), { name, listed, budget, orders: make("td") });
}

function drawAccount(row, account) {
  const { listed, budget, orders } = row.parts;
  if (account.listedAt === null) ageless(listed.parts.when, "never");
  else age(listed.parts.when, account.listedAt, (old) => `${seconds(old)} ago, ${many(account.machines, "machine", "machines")}`);
  const failed = account.listingFailures ? `${many(account.listingFailures, "listing", "listings")} failed in a row` : "";
  const trouble = [failed, account.trouble, account.notNow?.reason].filter(Boolean).join("; ");
  say(listed.parts.trouble, trouble ? ` ${trouble}` : "");
  const { full } = budget.parts.meter.parts;
  budget.parts.meter.hidden = account.budget === null;
  if (account.budget === null) {
    say(budget.parts.text, "none shown");
  } else {
    const { remaining, limit } = account.budget;
    const share = limit > 0 ? Math.min(1, Math.max(0, remaining / limit)) : 0;
    say(budget.parts.text, `${remaining} of ${limit} left`);
    full.style.width = `${share * 100}%`;
    choose(full, `part ${share < 0.1 ? "bad" : share < 0.3 ? "warn" : "good"}`);
  }
  say(orders, `${account.ordersLastHour} of ${account.maxOrdersPerHour}`);
}

function makeHappening(one) {
  const row = make("li", WEIGHTS[one.weight] ?? "dim");
  const time = make("time", "quiet", clock(one.at));
  time.dateTime = new Date(one.at * 1000).toISOString();
  time.title = day(one.at);
  row.append(time, make("span", "", one.text));
  return row;
}
