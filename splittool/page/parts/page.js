// What a person sees of it: the knobs, the chosen cut, the table and the charts.
(() => {
  const {plan, charts} = JSON.parse(document.getElementById("data").textContent);
  const at = id => document.getElementById(id);
  const LIMITS = ["min_dice", "max_edge_gflops", "min_fps", "max_latency_ms", "max_energy_mj"].filter(at);
  const NUMBERS = ["mbps", "rtt", "edge", "cloud", "mw_per_mbps", "base_mw", "idle_watts", "battery_wh"].filter(at);
  const ABOVE_ZERO = ["mbps", "edge", "cloud", "battery_wh", "min_fps", "max_latency_ms", "max_energy_mj"];
  const OBJECTIVES = {latency: "latency", fps: "frames per second", energy: "energy"};
  const LIMIT_NAMES = {
    min_dice: "lowest Dice", max_edge_gflops: "work on the device", min_fps: "frames per second", max_latency_ms: "latency", max_energy_mj: "energy",
  };
  const SIDES = {edge: "the device", link: "the link", cloud: "the cloud"};

  /** At most four characters below 10,000, as in the tables of reports. */
  function short(value) {
    if (value === null) return "-";
    return value.toFixed(value === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2);
  }

  function kilobytes(size) {
    return size >= 1e3 || !size ? (size / 1e3).toFixed(0) : String(Number((size / 1e3).toPrecision(2)));
  }

  /** A place and how the input or the crossing tensors are sent there. */
  function name(row) {
    const places = row.kind === "cut" ? row.at.join(" + ") : row.point;
    if (!row.measured) return places;
    if (row.kind === "edge-only") return `${places} (masks)`;
    if (row.kind === "cloud-only") return `${places} (${row.codec}${row.quality === null ? "" : ` q${row.quality}`})`;
    return `${places} (${row.bits === null ? "mixed bits" : `${row.bits}-bit`} ${row.codec ?? ""})`;
  }

  function element(tag, text, attributes = {}) {
    const made = document.createElement(tag);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  function isolated(text) {
    return element("bdi", text);
  }

  const form = at("knobs");

  /** What the controls say; null where one of them says nothing that can be used. */
  function terms() {
    const value = id => at(id).value.trim() === "" ? null : Number(at(id).value);
    const computed = side => at(`${side}-times`)?.value !== "measured";
    for (const side of ["edge", "cloud"])
      for (const control of [at(side), form.querySelector(`[data-for=${side}]`)]) control.disabled = !computed(side);
    const found = {
      mbps: value("mbps"), rtt: value("rtt"),
      edge: computed("edge") ? value("edge") : null, cloud: computed("cloud") ? value("cloud") : null,
      objective: at("objective").value,
      energy: plan?.energy ? {
        watts: plan.energy.edge.watts, idle_watts: value("idle_watts"),
        mw_per_mbps: value("mw_per_mbps"), base_mw: value("base_mw"),
        battery_wh: value("battery_wh"), wanted: plan.fps,
      } : null,
      limits: Object.fromEntries(LIMITS.map(id => [id, value(id)])),
    };
    return form.checkValidity() ? found : null;
  }

  function fill() {
    const start = {mbps: plan.link_mbps, rtt: plan.rtt_ms, edge: plan.edge.gflops_per_second, cloud: plan.cloud.gflops_per_second};
    for (const id of LIMITS) start[id] = plan.implied.includes(id) ? null : plan.limits[id];
    if (plan.energy) Object.assign(start, {...plan.energy.radio, idle_watts: plan.energy.idle_watts, battery_wh: plan.energy.battery_wh});
    for (const id of [...NUMBERS, ...LIMITS]) at(id).value = start[id] ?? "";
    if (at("radio")) at("radio").selectedIndex = 0;
    for (const id of ["edge-times", "cloud-times"]) if (at(id)) at(id).value = "measured";
    at("objective").value = plan.objective;
    for (const id of [...NUMBERS, ...LIMITS]) at(id).min = ABOVE_ZERO.includes(id) ? Number.MIN_VALUE : 0;
    at("min_dice").max = 1;
  }

  function follow(slider) {
    const text = at(slider.dataset.for).value, log = slider.dataset.scale === "log";
    slider.value = log ? Math.log10(Number(text)) : Number(text);
  }

  function lead(slider) {
    const value = Number(slider.value), log = slider.dataset.scale === "log";
    at(slider.dataset.for).value = Number((log ? 10 ** value : value).toPrecision(3));
  }

  function quoted(word) {
    return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
  }

  function command(words) {
    return words.map(word => quoted(String(word))).join(" ");
  }

  function planCommand(given) {
    const rate = (side, value) => value === null ? plan[side].given : `${value}GFLOPS`;
    const words = ["splittool", "plan", plan.source.path, "--edge", rate("edge", given.edge), "--cloud", rate("cloud", given.cloud)];
    words.push("--link", `${given.mbps}Mbps`, "--rtt", `${given.rtt}ms`, "--bits", plan.bits, "--best", given.objective);
    if (plan.trust) words.push("--trust");
    for (const shape of plan.shapes) words.push("--shape", shape);
    for (const file of plan.inferred) words.push("--infer", file.path);
    if (plan.answer === "given") words.push("--answer-bytes", plan.answer_bytes);
    for (const [id, value] of Object.entries(given.limits))
      if (value !== null) words.push(`--${id.replace(/_m[sj]$/, "").replaceAll("_", "-")}`, value + (id === "max_energy_mj" ? "mJ" : ""));
    if (plan.fps !== null) words.push("--fps", plan.fps);
    if (given.energy) {
      words.push("--edge-energy", plan.energy.edge.given, "--radio", `${given.energy.mw_per_mbps}mW/Mbps+${given.energy.base_mw}mW`);
      if (given.energy.idle_watts !== null) words.push("--idle-power", `${given.energy.idle_watts}W`);
      if (given.energy.battery_wh !== null) words.push("--battery", `${given.energy.battery_wh}Wh`);
    }
    return command(words);
  }

  function cutCommand(row) {
    const words = ["splittool", "cut", plan.source.path];
    if (plan.trust) words.push("--trust");
    for (const shape of plan.shapes) words.push("--shape", shape);
    for (const place of row.at) words.push("--at", place);
    return command(words);
  }

  /** The choice and why, as sentences. */
  function reasons(found, given) {
    const row = found.rows[found.chosen], out = found.rows.filter(each => each.excluded.length);
    const dices = found.limits.min_dice !== null && given.limits.min_dice === null;
    const least = dices ? ` Without a lowest Dice, a row may lose 0.005 of the whole network's: ${found.limits.min_dice.toFixed(3)} or more.` : "";
    const why = (out.length ? ` ${out.length} of ${found.rows.length} rows are outside of the limits.` : "") + least;
    if (!row) return [element("strong", "Nothing fits all limits."), `${why} Relax one of them.`];
    const spent = given.energy ? `, ${short(row.energy_mj)} mJ` : "";
    const value = `${short(row.latency_ms)} ms of latency${spent}, ${row.fps === null ? "no bound on the" : short(row.fps)} frames per second`;
    const dice = row.dice === null ? ", Dice not measured" : `, Dice ${row.dice.toFixed(3)}`;
    const whole = found.rows[0].dice;
    const loss = row.dice !== null && whole !== null && row.dice < whole ? ` (the whole network: ${whole.toFixed(3)})` : "";
    const slow = row.bottleneck ? ` Slowest is ${SIDES[row.bottleneck]}.` : "";
    const best = ` It is the best in ${OBJECTIVES[given.objective]} of ${found.rows.length - out.length} rows.`;
    const strong = document.createElement("strong");
    strong.append(isolated(name(row)));
    return [strong, `: ${value}${dice}${loss}.${best}${slow}${why}`];
  }

  function line(row, chosen) {
    const cells = [
      [`${chosen ? "✓ " : ""}${name(row)}`, "place"],
      [[row.head_ms + (row.encode_ms ?? 0), row.transfer_ms, row.tail_ms + (row.decode_ms ?? 0)].map(short).join(" + "), "head + link + tail, ms"],
      [short(row.latency_ms), "latency, ms"], [short(row.fps), "FPS"], [row.bottleneck ?? "-", "slowest"],
      [`${short(row.head_gflops)} (${(row.head_gflops_share * 100).toFixed(0)} %)`, "GFLOPs on the device"],
      [kilobytes(row.payload_bytes), "kB sent"], [row.dice === null ? "-" : row.dice.toFixed(3), "Dice"],
      ...(plan.energy ? [[short(row.energy_mj), "mJ"], [short(row.battery_hours), "battery, hours"]] : []),
      [row.excluded.map(id => LIMIT_NAMES[id]).join(", ") || "-", "outside of"],
    ];
    const made = element("tr", "");
    if (chosen) made.className = "chosen";
    else if (row.excluded.length) made.className = "excluded";
    for (const [text, label] of cells) {
      const cell = element("td", "", {"data-label": label});
      cell.append(isolated(text));
      made.append(cell);
    }
    return made;
  }

  const drawn = []; // the charts of times and of energy, once they are there

  function draw(rows) {
    const bars = rows.slice(0, 12).reverse();
    const label = (row, index) => `${bars.length - index}. ${name(row).slice(0, 20)}`;
    const data = {place: bars.map(label), name: bars.map(name)};
    for (const {roots: [plot], source, fields} of drawn) {
      const columns = {...data, ...Object.fromEntries(fields.map(field => [field, bars.map(row => row[field] ?? 0)]))};
      plot.y_range.factors = data.place;
      plot.height = 150 + 24 * bars.length;
      source.data = columns;
    }
  }

  let last = null;

  function update() {
    const given = terms();
    for (const input of form.querySelectorAll("input[type=number]")) input.toggleAttribute("aria-invalid", !input.validity.valid);
    if (!given) {
      at("chosen").replaceChildren("A field holds a value that cannot be used; rates are above 0, Dice is 0 to 1.");
      return;
    }
    const found = Plan.choose(plan, given);
    const numbers = Plan.shown(found, given.objective, at("every").checked);
    at("chosen").replaceChildren(...reasons(found, given));
    at("alternatives").tBodies[0].replaceChildren(...numbers.map(n => line(found.rows[n], n === found.chosen)));
    at("plan-command").textContent = planCommand(given);
    const cut = found.rows[found.chosen]?.kind === "cut" ? found.chosen : found.bestCut;
    at("cut-command").textContent = cut === null ? "" : cutCommand(found.rows[cut]);
    at("cut-command").hidden = cut === null;
    last = numbers.map(number => found.rows[number]);
    draw(last);
  }

  function connect() {
    fill();
    at("count").textContent = plan.rows.length;
    at("optimum").textContent = name(plan.rows[plan.optimum]);
    const sliders = [...form.querySelectorAll("input[type=range]")];
    for (const slider of sliders) {
      if (slider.dataset.scale === "log") [slider.min, slider.max] = [Math.log10(slider.min), Math.log10(slider.max)];
      follow(slider);
    }
    form.addEventListener("input", event => {
      if (event.target.type === "range") lead(event.target);
      else if (event.target.id === "radio") [at("mw_per_mbps").value, at("base_mw").value] = event.target.value.split(" ");
      else sliders.filter(slider => slider.dataset.for === event.target.id).forEach(follow);
      update();
    });
    form.addEventListener("reset", event => {
      event.preventDefault();
      fill();
      sliders.forEach(follow);
      update();
    });
    form.addEventListener("submit", event => event.preventDefault());
    at("every").addEventListener("change", update);
    update();
  }

  const plots = [], dark = matchMedia("(prefers-color-scheme: dark)");
  let printing = false;

  /** Give legends the colour of text; drawing them again, Bokeh reads the other colours anew. */
  function colour() {
    if (printing) return; // what is drawn dark, the style sheet turns light on paper
    document.documentElement.dataset.drawn = dark.matches ? "dark" : "light";
    const text = getComputedStyle(document.documentElement).getPropertyValue("--text").trim();
    for (const plot of plots)
      for (const each of plot.above) each.label_text_color = text;
  }

  /** One slider goes through all ways to predict, and shows the same way for each image. */
  function showMasks(section) {
    const slider = section.querySelector(".steps"), step = Number(slider.value);
    for (const picture of section.querySelectorAll(".picture"))
      [...picture.children].forEach((layer, index) => layer.hidden = index !== step);
    const shown = section.querySelector(".layer:not([hidden])").dataset.name;
    section.querySelector("output").replaceChildren(isolated(shown));
    slider.setAttribute("aria-valuetext", shown);
  }

  for (const section of document.querySelectorAll(".series")) {
    section.querySelector(".steps").addEventListener("input", () => showMasks(section));
    showMasks(section); // a page that is loaded again keeps where its slider was
  }

  if (plan) connect();
  for (const [id, item] of Object.entries(charts))
    if (item) Bokeh.embed.embed_item(item, id).then(view => {
      plots.push(view.roots[0].model);
      colour();
      const roots = [view.roots[0].model], source = roots[0].document.get_model_by_name("rows");
      if (!source) return;
      drawn.push({roots, source, fields: Object.keys(source.data).filter(field => /_m[sj]$/.test(field))});
      draw(last ?? []);
    });
  dark.addEventListener("change", colour);

  let opened = [];
  addEventListener("beforeprint", () => {
    printing = true;
    opened = [...document.querySelectorAll("details:not([open])")];
    for (const each of opened) each.open = true;
  });
  addEventListener("afterprint", () => {
    printing = false;
    for (const each of opened) each.open = false;
    colour();
  });
})();
