// The arithmetic of `splittool plan` on the rows of its report: what splittool/cost/rows.py, energy.py,
// limits.py and plans.py do. tests/page/test_browser.py holds both equal. Milliseconds, GFLOPS, Mbit/s.
"use strict";

const Plan = (() => {
  const SIDES = ["edge", "link", "cloud"];
  const LIMITS = [
    ["min_dice", row => row.dice, false],
    ["max_edge_gflops", row => row.head_gflops, true],
    ["min_fps", row => row.fps ?? Infinity, false],
    ["max_latency_ms", row => row.latency_ms, true],
    ["max_energy_mj", row => row.energy_mj, true],
  ];

  const NEARLY = 0.005; // of Dice, that a row may lose and still count as as good

  /** Milliseconds of a frame and of a stream of frames on a side; a rate of null keeps what was measured. */
  function side(gflops, rate, latency, busy) {
    if (rate === null) return {latency, busy: busy ?? latency};
    return {latency: gflops / rate * 1e3, busy: gflops / rate * 1e3};
  }

  /** A row of the report under other terms. */
  function price(row, terms, limits) {
    const head = side(row.head_gflops, terms.edge, row.head_ms, row.head_busy_ms);
    const tail = side(row.tail_gflops, terms.cloud, row.tail_ms, row.tail_busy_ms);
    const encode = row.encode_ms ?? 0, decode = row.decode_ms ?? 0;
    const transfer = row.payload_bytes * 8 / (terms.mbps * 1e3);
    const busy = {edge: head.busy + encode, link: transfer, cloud: tail.busy + decode};
    const slowest = SIDES.reduce((one, other) => busy[other] > busy[one] ? other : one);
    const waits = row.payload_bytes || row.kind !== "edge-only" ? terms.rtt : 0;
    const priced = {
      ...row,
      head_ms: head.latency,
      transfer_ms: transfer,
      wait_ms: waits,
      tail_ms: tail.latency,
      latency_ms: head.latency + encode + transfer + waits + decode + tail.latency,
      fps: busy[slowest] ? 1e3 / busy[slowest] : null,
      bottleneck: busy[slowest] ? slowest : null,
    };
    if (terms.energy) Object.assign(priced, spent(priced, busy.edge, head.latency + encode, terms));
    priced.excluded = LIMITS.filter(limit => breaks(priced, limit, limits)).map(([name]) => name);
    return priced;
  }

  /** Energy of the device for a frame in mJ: computing, radio and waiting. */
  function spent(row, busy, head, {energy, mbps}) {
    const computing = energy.watts === null ? row.computing_mj : energy.watts * busy;
    const radio = (energy.mw_per_mbps * mbps + energy.base_mw) * row.payload_bytes * 8 / (mbps * 1e6);
    const waiting = energy.idle_watts === null ? null : energy.idle_watts * (row.latency_ms - head);
    return {
      computing_mj: computing, radio_mj: radio, waiting_mj: waiting, energy_mj: computing + radio + (waiting ?? 0),
      battery_hours: hours(computing + radio, busy, row.fps, energy),
    };
  }

  /** How long the battery lasts at the frame rate wanted, or the row's own; null where it cannot keep up. */
  function hours(joules, busy, fps, {battery_wh, idle_watts, wanted}) {
    const rate = wanted === null || fps === null ? wanted ?? fps : fps >= wanted ? wanted : null;
    if (battery_wh === null || rate === null) return null;
    const watts = rate * joules / 1e3 + (idle_watts ?? 0) * Math.max(1 - rate * busy / 1e3, 0);
    return watts ? battery_wh / watts : null;
  }

  /** The limits, and those that nobody gave: Dice as good as the whole network's, and the frame rate wanted. */
  function implied(report, limits) {
    const found = {...limits};
    const whole = report.rows.find(row => row.kind === "cloud-only" && !row.measured).dice;
    const scored = report.rows.some(row => row.measured && row.kind !== "edge-only" && row.dice !== null);
    if (found.min_dice === null && whole !== null && scored) found.min_dice = Math.max(whole - NEARLY, 0);
    if (found.min_fps === null) found.min_fps = report.fps;
    return found;
  }

  function breaks(row, [name, value, highest], limits) {
    const limit = limits[name] ?? null, found = value(row); // a page without energy has no knob for it
    if (limit === null) return false;
    return found === null || (highest ? found > limit : found < limit);
  }

  /** What a plan minimises, the objective first: latency, time for a frame, energy. */
  function merits(row, objective) {
    const found = {latency: row.latency_ms, fps: row.fps ? 1 / row.fps : 0, energy: row.energy_mj ?? 0};
    const first = found[objective];
    delete found[objective];
    return [first, ...Object.values(found)];
  }

  function before(one, other) {
    const place = one.findIndex((value, index) => value !== other[index]);
    return place < 0 ? 0 : one[place] - other[place];
  }

  function least(numbers, key) {
    return numbers.reduce((one, other) => before(key(other), key(one)) < 0 ? other : one);
  }

  /** Whether two times differ by less than the four digits show in which they are told. */
  function lookAlike(one, other) {
    return Math.abs(one - other) <= 1e-4 * Math.max(Math.abs(one), Math.abs(other));
  }

  /** The number of the best row; of equal ones a named one, then that of the other objectives. */
  function best(rows, numbers, objective) {
    if (!numbers.length) return null;
    const key = number => [...merits(rows[number], objective), rows[number].head_gflops];
    const first = merits(rows[least(numbers, key)], objective);
    const equal = numbers.filter(n => merits(rows[n], objective).every((t, i) => lookAlike(t, first[i])));
    const anonymous = row => row.kind === "cut" && !row.named ? 1 : 0;
    return least(equal, number => [anonymous(rows[number]), ...key(number)]);
  }

  /** All rows under some terms, the chosen one, and the best that leaves the device some work. */
  function choose(report, terms) {
    const limits = implied(report, terms.limits);
    const rows = report.rows.map(row => price(row, terms, limits));
    const every = rows.map((_, number) => number);
    const allowed = numbers => numbers.filter(number => !rows[number].excluded.length);
    const cuts = every.filter(n => rows[n].kind === "cut" && rows[n].head_weighted_layers);
    const within = allowed(cuts);
    return {
      rows,
      limits,
      chosen: best(rows, allowed(every), terms.objective),
      bestCut: best(rows, within.length ? within : cuts, terms.objective),
      optimum: best(rows, every, "latency"),
      energyOptimum: terms.energy ? best(rows, every, "energy") : null,
    };
  }

  /** Orders rows: those within the limits first, then the best, then those with more Dice. */
  function rank(row, objective) {
    return [row.excluded.length ? 1 : 0, merits(row, objective)[0], -(row.dice ?? 0)];
  }

  /** Numbers of rows to show, the best first: all, or of each place the best way to send. */
  function shown(found, objective, every) {
    const numbers = found.rows.map((_, number) => number);
    const order = (one, other) => before(rank(found.rows[one], objective), rank(found.rows[other], objective));
    const sorted = numbers.sort(order);
    if (every) return sorted;
    const places = new Set();
    return sorted.filter(number => {
      const row = found.rows[number], place = JSON.stringify([row.kind, ...row.at]);
      const matters = row.named || row.measured || row.kind !== "cut";
      const first = matters && !places.has(place);
      if (matters) places.add(place);
      return first || [found.chosen, found.bestCut, found.optimum, found.energyOptimum].includes(number);
    });
  }

  return {choose, shown};
})();
