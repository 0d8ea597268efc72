// The arithmetic of `splittool plan` on the rows of its report: what splittool/cost/rows.py, limits.py
// and plans.py do. tests/page/test_browser.py holds both equal. Milliseconds, GFLOPS, Mbit/s.
"use strict";

const Plan = (() => {
  const SIDES = ["edge", "link", "cloud"];
  const LIMITS = [
    ["min_dice", row => row.dice, false],
    ["max_edge_gflops", row => row.head_gflops, true],
    ["min_fps", row => row.fps ?? Infinity, false],
    ["max_latency_ms", row => row.latency_ms, true],
  ];

  /** A row of the report under other terms. A rate of null keeps the time that was measured. */
  function price(row, terms) {
    const time = (gflops, rate, measured) => rate === null ? measured : gflops / rate * 1e3;
    const times = {
      edge: time(row.head_gflops, terms.edge, row.head_ms),
      link: row.payload_bytes * 8 / (terms.mbps * 1e3),
      cloud: time(row.tail_gflops, terms.cloud, row.tail_ms),
    };
    const slowest = SIDES.reduce((one, other) => times[other] > times[one] ? other : one);
    const waits = row.payload_bytes || row.kind !== "edge-only" ? terms.rtt : 0;
    const priced = {
      ...row,
      head_ms: times.edge,
      transfer_ms: times.link,
      wait_ms: waits,
      tail_ms: times.cloud,
      latency_ms: times.edge + times.link + times.cloud + waits,
      fps: times[slowest] ? 1e3 / times[slowest] : null,
      bottleneck: times[slowest] ? slowest : null,
    };
    priced.excluded = LIMITS.filter(limit => breaks(priced, limit, terms.limits)).map(([name]) => name);
    return priced;
  }

  function breaks(row, [name, value, highest], limits) {
    const limit = limits[name], found = value(row);
    if (limit === null) return false;
    return found === null || (highest ? found > limit : found < limit);
  }

  /** Latency and the time between frames, the one that is to be best first. */
  function times(row, objective) {
    const between = row.fps === null ? 0 : 1 / row.fps;
    return objective === "latency" ? [row.latency_ms, between] : [between, row.latency_ms];
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

  /** The number of the best row; of equal ones a named one, then that of the other objective. */
  function best(rows, numbers, objective) {
    if (!numbers.length) return null;
    const key = number => [...times(rows[number], objective), rows[number].head_gflops];
    const first = key(least(numbers, key)).slice(0, 2);
    const equal = numbers.filter(n => times(rows[n], objective).every((t, i) => lookAlike(t, first[i])));
    const anonymous = row => row.kind === "cut" && !row.named ? 1 : 0;
    return least(equal, number => [anonymous(rows[number]), ...key(number)]);
  }

  /** All rows under some terms, the chosen one, and the best that leaves the device some work. */
  function choose(report, terms) {
    const rows = report.rows.map(row => price(row, terms));
    const every = rows.map((_, number) => number);
    const allowed = numbers => numbers.filter(number => !rows[number].excluded.length);
    const cuts = every.filter(n => rows[n].kind === "cut" && rows[n].head_weighted_layers);
    const within = allowed(cuts);
    return {
      rows,
      chosen: best(rows, allowed(every), terms.objective),
      bestCut: best(rows, within.length ? within : cuts, terms.objective),
      optimum: best(rows, every, "latency"),
    };
  }

  /** Orders rows: those within the limits first, then the best, then those with more Dice. */
  function rank(row, objective) {
    const slowness = objective === "latency" || !row.fps ? row.latency_ms : 1 / row.fps;
    return [row.excluded.length ? 1 : 0, slowness, -(row.dice ?? 0)];
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
      return first || [found.chosen, found.bestCut, found.optimum].includes(number);
    });
  }

  return {choose, shown};
})();
