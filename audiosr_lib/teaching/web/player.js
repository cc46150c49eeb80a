// The player of audiosr_lib.teaching.player: turns a table of <audio> elements into one player that switches versions without moving.
// Everything is worked out here from the embedded FLAC bytes: spectrograms, the band-pass and half speed. No request leaves the page.
(() => {
  "use strict";
  const RATE = 44100; // of everything played
  const COLUMNS = 640, ROWS = 128, N_FFT = 1024, RANGE_DB = 100; // of the spectrograms
  const FADE_S = 0.008; // of a switch between versions
  const PEAK = 10 ** (-1 / 20); // of a boosted band
  const MAGMA = ["000004", "1c1044", "4f127b", "812581", "b5367a", "e55064", "fb8761", "fec287", "fcfdbf"].map((h) =>
    [0, 2, 4].map((i) => parseInt(h.slice(i, i + 2), 16)));
  const db = (gain) => `${gain >= 1 ? "+" : "\u2212"}${Math.abs(20 * Math.log10(gain)).toFixed(1)} dB`;
  const rest = () => new Promise((done) => setTimeout(done));

  // --- signals ---

  // In-place FFT of a complex signal whose length is a power of two; sign -1 forward, +1 backward (unscaled).
  function fft(re, im, sign) {
    const n = re.length;
    for (let i = 1, j = 0; i < n; i++) {
      let bit = n >> 1;
      for (; j & bit; bit >>= 1) j ^= bit;
      j ^= bit;
      if (i < j) [re[i], re[j], im[i], im[j]] = [re[j], re[i], im[j], im[i]];
    }
    for (let size = 2; size <= n; size *= 2) {
      const half = size / 2, step = sign * 2 * Math.PI / size;
      for (let k = 0; k < half; k++) {
        const c = Math.cos(step * k), s = Math.sin(step * k);
        for (let a = k; a < n; a += size) {
          const b = a + half, x = re[b] * c - im[b] * s, y = re[b] * s + im[b] * c;
          re[b] = re[a] - x; im[b] = im[a] - y; re[a] += x; im[a] += y;
        }
      }
    }
  }

  // What lies at `fromHz` and above of a signal, at `times` as many samples: the spectrum is cut below and extended by zeros above.
  function reshape(x, sr, fromHz, times) {
    let n = 2;
    while (n < x.length + 2048) n *= 2;
    const re = new Float64Array(n * times), im = new Float64Array(n * times);
    const a = re.subarray(0, n), b = im.subarray(0, n);
    a.set(x);
    fft(a, b, -1);
    const first = Math.ceil(fromHz / sr * n);
    for (let k = 0; k <= n / 2; k++) {
      const other = (n - k) % n;
      if (k < first) { a[k] = b[k] = 0; if (k) a[other] = b[other] = 0; }
    }
    if (times > 1) {
      for (let k = n / 2 + 1; k < n; k++) {
        const to = k + n * (times - 1);
        re[to] = re[k]; im[to] = im[k]; re[k] = im[k] = 0;
      }
      re[n / 2] = im[n / 2] = 0; // at exactly half the rate there is nothing to tell a cosine from a sine
    }
    fft(re, im, 1);
    return Float32Array.from(re.subarray(0, x.length * times), (v) => v / n);
  }

  const peakOf = (x) => x.reduce((m, v) => Math.max(m, Math.abs(v)), 0);

  // Power of a signal, COLUMNS frames by ROWS bands from 0 to RATE / 2, each the loudest of its bins.
  function power(x) {
    const out = new Float32Array(COLUMNS * ROWS), re = new Float64Array(N_FFT), im = new Float64Array(N_FFT);
    for (let m = 0; m < COLUMNS; m++) {
      const start = Math.round((m + 0.5) / COLUMNS * x.length - N_FFT / 2);
      for (let i = 0; i < N_FFT; i++) {
        re[i] = (x[start + i] || 0) * (0.5 - 0.5 * Math.cos(2 * Math.PI * i / N_FFT));
        im[i] = 0;
      }
      fft(re, im, -1);
      for (let k = 0; k < N_FFT / 2; k++) {
        const at = m * ROWS + Math.floor(k * ROWS * 2 / N_FFT);
        out[at] = Math.max(out[at], re[k] * re[k] + im[k] * im[k]);
      }
    }
    return out;
  }

  function paint(canvas, levels, reference) {
    const picture = canvas.getContext("2d"), image = picture.createImageData(COLUMNS, ROWS);
    for (let m = 0; m < COLUMNS; m++) for (let r = 0; r < ROWS; r++) {
      const level = 1 + 10 * Math.log10(levels[m * ROWS + r] / reference + 1e-30) / RANGE_DB;
      const place = Math.min(Math.max(level, 0), 1) * (MAGMA.length - 1), i = Math.min(Math.floor(place), MAGMA.length - 2);
      const at = 4 * ((ROWS - 1 - r) * COLUMNS + m);
      for (let c = 0; c < 3; c++) image.data[at + c] = MAGMA[i][c] + (place - i) * (MAGMA[i + 1][c] - MAGMA[i][c]);
      image.data[at + 3] = 255;
    }
    picture.putImageData(image, 0, 0);
  }

  // Samples of an <audio> element's FLAC data at RATE; its own rate stands in the file's head.
  async function decode(element) {
    const text = atob(element.src.split(",")[1]), bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
    const sr = (bytes[18] << 12) | (bytes[19] << 4) | (bytes[20] >> 4);
    const times = RATE / sr, exact = Number.isInteger(Math.log2(times)) && times >= 1;
    const context = new OfflineAudioContext(1, 1, exact ? sr : RATE); // other rates are left to the browser's converter
    const own = (await context.decodeAudioData(bytes.buffer)).getChannelData(0);
    return { sr, length: own.length, x: exact && times > 1 ? reshape(own, sr, 0, times) : own };
  }

  // --- chance ---

  // Probability of at least k right answers of n by guessing.
  function binomialP(k, n) {
    let sum = 0, ways = 1;
    for (let i = 0; i <= n; i++) { if (i >= k) sum += ways; ways = ways * (n - i) / (i + 1); }
    return sum / 2 ** n;
  }

  // --- the page ---

  function make(tag, properties = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) name in node ? node[name] = value : node.setAttribute(name, value);
    node.append(...children);
    node.dataset.lmSuppressShortcuts = "true"; // a key pressed in the player is not JupyterLab's, which looks at what has the focus first
    return node;
  }

  const shared = window.audiosrShared ||= { context: null, queue: Promise.resolve(), stop: null };

  class Player {
    constructor(root) {
      this.root = root;
      this.plain = root.querySelector("table");
      this.versions = [...root.querySelectorAll("audio")].map((element) => ({ element, ...element.dataset, label: element.dataset.label }));
      this.aboveHz = +root.dataset.above;
      this.storedDb = +root.dataset.gain;
      this.current = 0; this.at = 0; this.playing = false; this.loop = false; this.region = null;
      this.band = false; this.half = false; this.matched = false; this.abx = null;
    }

    async start() {
      for (const v of this.versions) { Object.assign(v, await decode(v.element)); await rest(); }
      this.duration = Math.max(...this.versions.map((v) => v.x.length)) / RATE;
      this.build();
      for (const v of this.versions) { v.power = power(v.x); await rest(); }
      const reference = Math.max(...this.versions.map((v) => peakOf(v.power)), 1e-12);
      for (const v of this.versions) paint(v.canvas, v.power, reference);
    }

    // --- playing ---

    // Samples of every version as they are played now, and the one gain that goes with them.
    prepare() {
      const mode = `${this.band}${this.half}`;
      if (this.mode === mode) return;
      this.mode = mode;
      this.shown = this.versions.map((v) => this.band || this.half ? reshape(v.x, RATE, this.band ? this.aboveHz : 0, this.half ? 2 : 1) : v.x);
      const peak = Math.max(...this.shown.map(peakOf));
      this.levels = this.shown.map((x) => 10 * Math.log10(x.reduce((sum, v) => sum + v * v, 0) / x.length + 1e-12));
      this.gain = this.band ? Math.min(PEAK / Math.max(peak, 1e-9), 100) : Math.min(1, 1 / Math.max(peak, 1e-9));
      this.buffers = null;
    }

    // Factors that turn the louder versions down to the softest that is not silent, if that is wanted: by loudness, or by the level of
    // the band where only the band is played.
    factors() {
      const level = (i) => this.band ? (this.silent(i) ? NaN : this.levels[i]) : parseFloat(this.versions[i].lufs);
      const among = this.abx ? this.abx.pair : this.versions.map((_, i) => i);
      const softest = Math.min(...among.map(level).filter(Number.isFinite));
      return this.versions.map((_, i) => this.matched && level(i) > softest ? 10 ** ((softest - level(i)) / 20) : 1);
    }

    // Whether a version holds nothing as it is played now: rounding to 16 bit alone leaves about -100 dB.
    silent(i) { return this.levels[i] < -80; }

    position() {
      if (!this.playing) return this.at;
      const speed = this.half ? 0.5 : 1, passed = Math.max(0, shared.context.currentTime - this.began) * speed, t = this.at + passed;
      const [a, b] = this.bounds();
      if (t < b || this.at >= b) return Math.min(t, this.duration);
      return this.loop ? a + (t - a) % (b - a) : b;
    }

    bounds() { return this.loop && this.region ? this.region : [0, this.duration]; }

    play() {
      const context = shared.context ||= new AudioContext({ sampleRate: RATE });
      context.resume();
      if (shared.stop) shared.stop();
      shared.stop = () => this.pause();
      this.prepare();
      this.buffers ||= this.shown.map((x) => {
        const buffer = context.createBuffer(1, x.length, RATE);
        buffer.copyToChannel(x, 0);
        return buffer;
      });
      const [a, b] = this.bounds(), scale = this.half ? 2 : 1;
      if (this.at >= b - 0.01 || (this.loop && this.at < a)) this.at = a;
      this.output ||= context.createGain();
      this.output.connect(context.destination);
      this.output.gain.value = this.gain;
      this.began = context.currentTime + 0.03;
      this.gains = [];
      this.sources = this.buffers.map((buffer, i) => {
        const source = context.createBufferSource(), gain = context.createGain();
        Object.assign(source, { buffer, loop: this.loop, loopStart: a * scale, loopEnd: b * scale });
        gain.gain.value = i === this.current ? this.factors()[i] : 0;
        source.connect(gain).connect(this.output);
        source.start(this.began, this.at * scale);
        this.gains.push(gain.gain);
        return source;
      });
      this.playing = true;
      this.show();
      this.follow();
    }

    pause(at = this.position()) {
      if (this.playing) {
        this.sources.forEach((s) => s.stop());
        this.output.disconnect();
        shared.stop = null;
      }
      this.at = at; this.playing = false;
      this.show();
    }

    toggle() { this.playing ? this.pause() : this.play(); }

    // Change something that the sources must be made anew for, at the position of now.
    change(what) {
      const was = this.playing;
      this.pause();
      what();
      this.prepare();
      if (was) this.play(); else this.show();
      if (this.abx && this.abx.changed) this.abx.changed();
    }

    seek(t) {
      const to = Math.min(Math.max(t, 0), this.duration - 0.001);
      this.change(() => { this.at = to; });
    }

    select(i) {
      if (!(i in this.versions)) return;
      this.current = i;
      if (this.playing) {
        const now = shared.context.currentTime, factors = this.factors();
        this.gains.forEach((g, k) => {
          g.cancelScheduledValues(now);
          g.setValueAtTime(g.value, now);
          g.linearRampToValueAtTime(k === i ? factors[k] : 0, now + FADE_S);
        });
      }
      this.show();
    }

    follow() {
      if (!this.playing) return;
      const t = this.position();
      if (!this.root.isConnected || (!this.loop && t >= this.duration)) return this.pause(0);
      this.head(t);
      requestAnimationFrame(() => this.follow());
    }

    // --- drawing ---

    button(text, key, action, properties = {}) {
      return make("button", { type: "button", onclick: action, "aria-keyshortcuts": key, ...properties },
        text, key ? make("kbd", {}, key === "Space" ? "space" : key) : "");
    }

    build() {
      const { root, versions } = this, title = root.getAttribute("aria-label");
      this.rows = versions.map((v, i) => {
        v.canvas = make("canvas", { width: COLUMNS, height: ROWS, role: "img",
          "aria-label": `Spectrogram of ${v.label}: 0 to 22.05 kHz, 0 to ${this.duration.toFixed(2)} s, 100 dB range` });
        v.head = make("div", { className: "audiosr-head" });
        v.region = make("div", { className: "audiosr-region", hidden: true });
        v.picture = make("div", { className: "audiosr-picture" }, v.canvas, v.region, v.head,
          make("span", { className: "audiosr-tick", style: "top:0" }, "22 kHz"), make("span", { className: "audiosr-tick", style: "top:50%" }, "11"));
        v.button = this.button(v.label, i < 9 ? `${i + 1}` : "", () => this.select(i));
        v.about = make("small");
        this.drag(v.picture, i);
        return make("div", { className: "audiosr-row" }, make("div", {}, v.button, v.about), v.picture);
      });
      this.playButton = this.button("", "Space", () => this.toggle(), { className: "audiosr-play" });
      this.clock = make("output", { className: "audiosr-clock" });
      this.slider = make("input", { type: "range", min: 0, max: this.duration, step: 0.01, "aria-label": "position in seconds",
        oninput: () => this.seek(+this.slider.value) });
      this.loopButton = this.button("loop", "l", () => this.change(() => { this.loop = !this.loop; }));
      this.bandButton = this.button(`only above ${+(this.aboveHz / 1000).toFixed(0)} kHz`, "h", () => this.change(() => { this.band = !this.band; }));
      this.halfButton = this.button("half speed, an octave down", "o", () => this.change(() => { this.half = !this.half; }));
      this.matchButton = this.button("match loudness", "m", () => this.change(() => { this.matched = !this.matched; }));
      this.saveButton = this.button("save clip", "", () => this.save());
      this.abxButton = this.button("blind test (ABX)", "t", () => this.abx ? this.abx.stop() : this.openAbx());
      this.abxButton.hidden = versions.length < 2;
      this.bandButton.hidden = !versions.some((v) => v.sr > 2 * this.aboveHz);
      this.gainLine = make("p", { className: "audiosr-gain" });
      this.list = make("div", { className: "audiosr-rows" }, ...this.rows);
      this.panel = make("div", { className: "audiosr-abx", hidden: true, role: "region", "aria-label": "blind test" });
      const keys = make("details", {}, make("summary", {}, "keys, colours, and what is played"), make("p", {},
        "Click into the player first. Space plays and pauses, 1 to 9 switch, left and right move by 0.1 s, [ and ] set the ends of a loop, Esc ends it; drag over a spectrogram to mark one. ",
        "One gain for all brings the loudest sample of all versions to \u22121 dB re full scale; levels and loudness (LUFS, ITU-R BS.1770) are given with it. ",
        "Matching turns louder versions down to the softest: by loudness, or by level where only the band above is played. Saved clips are the stored ones, with the gain alone. ",
        "Colours: power in frames of 1024 samples, from \u2212100 dB (black) to 0 dB (yellow), 0 dB being the loudest point of all versions. ",
        "Clips at 22.05 kHz are brought to 44.1 kHz by adding zeros above their spectrum; half speed does the same once more. Both keep every component and add none."));
      this.ui = make("div", { className: "audiosr-ui" },
        ...(title ? [make("strong", {}, title)] : []),
        make("div", { className: "audiosr-bar" }, this.playButton, this.clock, this.loopButton, this.bandButton, this.halfButton, this.matchButton, this.saveButton, this.abxButton),
        this.list, make("div", { className: "audiosr-row" }, make("div", { className: "audiosr-time" }, "time (s)"),
          make("div", {}, this.slider, make("div", { className: "audiosr-axis" }, ...this.ticks()))),
        this.panel, this.gainLine, keys);
      root.append(this.ui);
      this.plain.hidden = true;
      root.querySelector(".audiosr-note").hidden = true;
      root.tabIndex = 0;
      root.setAttribute("role", "group");
      root.dataset.lmSuppressShortcuts = "true";
      root.addEventListener("keydown", (event) => this.key(event));
      this.prepare();
      this.show();
    }

    ticks() {
      const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10].find((s) => this.duration / s <= 6) || 60;
      return Array.from({ length: Math.floor(this.duration / step + 1e-9) + 1 }, (_, i) =>
        make("span", { style: `left:${100 * i * step / this.duration}%`, className: i * step > 0.97 * this.duration ? "audiosr-last" : "" }, `${+(i * step).toFixed(2)}`));
    }

    show() {
      const { playing, loop, band, half, matched, abx } = this, factors = this.factors(), press = (b, on) => b.setAttribute("aria-pressed", on);
      this.playButton.firstChild.textContent = playing ? "\u275A\u275A pause" : "\u25B6 play";
      press(this.loopButton, loop); press(this.bandButton, band); press(this.halfButton, half); press(this.matchButton, matched); press(this.abxButton, !!abx);
      this.matchButton.hidden = this.versions.length < 2 || !this.versions.every((v) => Number.isFinite(parseFloat(v.lufs)));
      for (const b of [this.bandButton, this.halfButton, this.matchButton]) b.disabled = !!abx && abx.running; // one setting for a whole test
      this.saveButton.hidden = !!abx;
      this.list.hidden = !!abx;
      this.versions.forEach((v, i) => {
        press(v.button, i === this.current);
        v.button.parentNode.parentNode.classList.toggle("audiosr-on", i === this.current);
        v.picture.classList.toggle("audiosr-high", band);
        const own = factors[i] < 0.994 ? ` \u00B7 ${db(factors[i])} to match` : band && this.silent(i) ? " \u00B7 nothing to hear up there" : "";
        v.about.textContent = `${v.sr / 1000} kHz \u00B7 ${v.lufs ? `${(+v.lufs).toFixed(1)} LUFS` : `${v.rms} dB RMS`}${own}`;
        v.region.hidden = !this.region;
        if (this.region) Object.assign(v.region.style, { left: `${100 * this.region[0] / this.duration}%`, width: `${100 * (this.region[1] - this.region[0]) / this.duration}%` });
      });
      const whole = this.gain * 10 ** (this.storedDb / 20), dark = this.band && this.gain >= 100 ? " (its limit: there is next to nothing)" : "";
      const by = band ? "level" : "loudness", match = matched ? ` Matched in ${by}: the louder are turned down to the softest.` : "";
      this.gainLine.textContent = `One gain for all versions: ${db(whole)}${dark}.${match}`;
      this.head(this.position());
    }

    head(t) {
      this.versions.forEach((v) => { v.head.style.left = `${100 * t / this.duration}%`; });
      this.slider.value = t;
      this.clock.textContent = `${t.toFixed(2)} / ${this.duration.toFixed(2)} s`;
    }

    drag(picture, i) {
      const time = (event) => {
        const box = picture.getBoundingClientRect();
        return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * this.duration;
      };
      let from = null;
      picture.addEventListener("pointerdown", (event) => { from = time(event); picture.setPointerCapture(event.pointerId); });
      picture.addEventListener("pointercancel", () => { from = null; });
      picture.addEventListener("pointerup", (event) => {
        if (from === null) return;
        const to = time(event), start = from;
        from = null;
        if (i !== this.current) this.select(i);
        if (Math.abs(to - start) < 0.03 * this.duration) this.seek(to); else this.mark(Math.min(start, to), Math.max(start, to));
        this.root.focus({ preventScroll: true });
      });
    }

    mark(a, b) { this.change(() => { this.region = [a, b]; this.loop = true; this.at = a; }); }

    save() {
      const v = this.versions[this.current];
      make("a", { href: v.element.src, download: this.fileName(v.label, "flac") }).click();
    }

    fileName(what, suffix) {
      return `${`${this.root.getAttribute("aria-label")} ${what}`.trim().replace(/[^\w.-]+/g, "-")}.${suffix}`;
    }

    key(event) {
      const { key, target } = event, inside = target.closest("select") || (key === " " && target.closest("summary, a")), other = target.closest("button:not(.audiosr-play)");
      if (event.ctrlKey || event.metaKey || event.altKey || inside) return;
      const arrows = { ArrowLeft: -0.1, ArrowRight: 0.1 }, at = this.position(), least = 0.02;
      const press = (button) => () => button.hidden || button.click();
      const actions = {
        " ": () => this.toggle(), l: press(this.loopButton), h: press(this.bandButton), o: press(this.halfButton),
        m: press(this.matchButton), t: press(this.abxButton),
        "[": () => this.mark(at, Math.max(this.region ? this.region[1] : this.duration, at + least)),
        "]": () => this.mark(Math.min(this.region ? this.region[0] : 0, at - least), at),
        Escape: () => this.change(() => { this.region = null; this.loop = false; }),
      };
      if (key === " " && other && !other.closest(".audiosr-rows")) return; // the space bar presses the button that has the focus
      let action = actions[key];
      if (key in arrows && target !== this.slider) action = () => this.seek(at + arrows[key]);
      if (this.abx && this.abx.keys[key]) action = () => this.abx.keys[key].click();
      else if (!this.abx && /^[1-9]$/.test(key)) action = () => this.select(+key - 1);
      if (!action) return;
      event.preventDefault();
      event.stopPropagation();
      action();
    }

    // --- ABX ---

    openAbx() {
      this.pause();
      const n = this.versions.length, options = () => this.versions.map((v, i) => make("option", { value: i }, v.label));
      const choose = (name, ...choices) => make("select", { "aria-label": name, onchange: () => chosen() }, ...choices);
      const a = choose("A", ...options()), b = choose("B", ...options());
      const trials = choose("number of trials", ...[10, 16, 20, 30].map((k) => make("option", { value: k, selected: k === 16 }, `${k} trials`)));
      const begin = make("button", { type: "button", onclick: () => this.runAbx(this.abx.pair, +trials.value) }, "begin");
      const status = make("p", { role: "status" });
      const chosen = () => {
        const pair = this.abx.pair = [+a.value, +b.value], planned = +trials.value;
        const enough = Array.from({ length: planned + 1 }, (_, k) => k).find((k) => binomialP(k, planned) < 0.05);
        begin.disabled = a.value === b.value;
        status.textContent = begin.disabled ? "Choose two versions that differ."
          : `${enough} of ${planned} right or more would be unlikely by guessing (p < 0.05).${pair.every((i) => this.silent(i)) ? " Both are silent with these switches." : ""}`;
        this.show();
      };
      a.value = Math.max(n - 2, 0); b.value = n - 1;
      this.abx = { pair: [0, 0], keys: {}, running: false, stop: () => this.closeAbx(), changed: () => chosen() };
      this.panel.replaceChildren(make("p", {}, "Can you tell two versions apart? X is one of them, drawn anew by chance in each trial. The switches above hold here too, and stay as they are until the end: one gain for both leaves what the two have in common equally loud; matching makes up for what only one of them has. The number of trials is fixed beforehand, and the score is told at the end: looking earlier would spoil the p-value."),
        make("p", { className: "audiosr-bar" }, make("label", {}, "A ", a), make("label", {}, "B ", b), trials, begin), status);
      this.panel.hidden = false;
      chosen();
      begin.focus({ preventScroll: true });
    }

    closeAbx() {
      this.pause();
      this.abx = null;
      this.root.focus({ preventScroll: true }); // before what has the focus is hidden, or keys would go astray
      this.panel.hidden = true;
      this.select(0);
    }

    runAbx(pair, planned) {
      const results = [], status = make("p", { role: "status" }), names = pair.map((i) => this.versions[i].label);
      const gainDb = (i) => (20 * Math.log10(this.gain * this.factors()[i]) + this.storedDb).toFixed(2);
      const abx = this.abx = { pair, keys: {}, running: true, stop: () => results.length ? end() : this.closeAbx() };
      let x, heard, began;
      const answer = (choice) => {
        results.push({ clip: this.root.getAttribute("aria-label"), time: new Date().toISOString(), trial: results.length + 1, planned, a: names[0], b: names[1], x: "AB"[x], answer: "AB"[choice],
          correct: +(x === choice), seconds_to_answer: ((performance.now() - began) / 1000).toFixed(2), only_above_hz: this.band ? this.aboveHz : 0,
          speed: this.half ? 0.5 : 1, gain_a_db: gainDb(pair[0]), gain_b_db: gainDb(pair[1]) });
        results.length < planned ? next() : end();
      };
      const listenButtons = ["a", "b", "x"].map((k, i) => this.button(`listen to ${k.toUpperCase()}`, k, () => {
        if (k === "x") { heard = true; answers.forEach((b) => { b.disabled = false; }); }
        this.select(k === "x" ? pair[x] : pair[i]);
        if (!this.playing) this.play();
        listenButtons.forEach((b, j) => b.setAttribute("aria-pressed", i === j));
      }));
      const answers = ["A", "B"].map((name, i) => this.button(`X is ${name}`, `Shift+${name}`, () => { if (heard) answer(i); }));
      [...listenButtons, ...answers].forEach((b, i) => { abx.keys[["a", "b", "x", "A", "B"][i]] = b; });
      const next = () => {
        this.pause(this.bounds()[0]);
        x = crypto.getRandomValues(new Uint8Array(1))[0] & 1;
        heard = false;
        began = performance.now();
        answers.forEach((b) => { b.disabled = true; });
        listenButtons.forEach((b) => b.setAttribute("aria-pressed", false));
        status.textContent = `Trial ${results.length + 1} of ${planned}. A: ${names[0]}. B: ${names[1]}. Listen to X, and to A and B as often as you like; then answer.`;
      };
      const end = () => {
        this.pause(0);
        Object.assign(abx, { keys: {}, running: false, stop: () => this.closeAbx() });
        const n = results.length, k = results.reduce((sum, r) => sum + r.correct, 0), p = n === planned ? binomialP(k, n) : NaN;
        const quoted = (v) => `"${String(v).replace(/"/g, '""')}"`;
        const csv = [Object.keys(results[0]), ...results.map(Object.values)].map((row) => row.map(quoted).join(",")).join("\r\n") + "\r\n";
        const link = make("a", { download: this.fileName("abx", "csv"), href: `data:text/csv;charset=utf-8,${encodeURIComponent(csv)}` }, "save the trials as CSV");
        abx.score = { correct: k, trials: n, p };
        const means = n < planned ? "The test was ended early, so there is no p-value: a number of trials chosen on the way would spoil it."
          : "p is the chance to do at least as well by guessing (one-sided binomial test). " + (p < 0.05 ? "Guessing does so well in fewer than one test of twenty: evidence that you heard a difference."
            : binomialP(n - k, n) < 0.05 ? "So few are as unlikely by guessing as so many: were A and B mixed up?"
              : "Guessing does so well in more than one test of twenty: no evidence of a difference heard. It does not show that nobody hears one.");
        const score = make("p", { className: "audiosr-score", tabIndex: -1 }, `${k} of ${n} right${n < planned ? "" : `, p = ${p < 0.001 ? p.toExponential(1) : p.toFixed(3)}`}`);
        this.panel.replaceChildren(score, make("p", {}, `${names[0]} against ${names[1]}. ${means}`),
          make("p", { className: "audiosr-bar" }, link, make("button", { type: "button", onclick: () => this.openAbx() }, "another test")));
        this.show();
        score.focus({ preventScroll: true });
      };
      this.panel.replaceChildren(status, make("p", { className: "audiosr-bar" }, ...listenButtons), make("p", { className: "audiosr-bar" }, ...answers));
      next();
      this.show();
      listenButtons[2].focus({ preventScroll: true });
    }
  }

  // Starts every player of the page that has not been; the small script of a later player calls it too.
  window.audiosrStart = () => {
    for (const root of document.querySelectorAll(".audiosr-player:not([data-audiosr])")) {
      root.dataset.audiosr = "starting";
      root.player = new Player(root);
      shared.queue = shared.queue.then(() => root.player.start()).then(() => { root.dataset.audiosr = "ready"; }, (error) => {
        root.dataset.audiosr = "plain"; // the table of audio elements stays
        if (root.player.ui) root.player.ui.remove();
        root.player.plain.hidden = false;
        console.warn("audiosr player:", error);
      });
    }
  };
  window.audiosrStart();
})();
