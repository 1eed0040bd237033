/**
 * Okabe and Ito's colours, which colour-blind readers tell apart; yellow is left out, which white swallows. Their black
 * is the colour of the text.
 */
const PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];
const GREY = "#8c8c8c";
const VIRIDIS = [
  "#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725",
];

const media = window.matchMedia("(prefers-color-scheme: dark)");

/** Light, dark, or as the system is: `light`, `dark`, `auto`. */
const theme = {
  choice: "auto",
  isPrinting: false,
  isDark() {
    return !this.isPrinting && (this.choice === "dark" || (this.choice === "auto" && media.matches));
  },
  /** The colours of what is drawn, read from the style sheet. */
  colours() {
    const probe = element("span", { hidden: true });
    document.body.append(probe);
    const of = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    // The end of the scale that the ground would swallow is left out for thin lines.
    const lines = this.isDark() ? VIRIDIS.slice(2) : VIRIDIS.slice(0, 9);
    const colours = { ink: of("ink"), soft: of("soft"), line: of("line"), ground: of("card"), strong: of("accent"), lines };
    probe.remove();
    return colours;
  },
  choose(choice) {
    this.choice = choice;
    document.documentElement.dataset.theme = choice;
    // Some browsers keep nothing for pages that are files.
    try {
      localStorage.setItem("bowline-theme", choice);
    } catch {}
    this.tell();
  },
  begin() {
    let kept = null;
    try {
      kept = localStorage.getItem("bowline-theme");
    } catch {}
    this.choice = ["light", "dark"].includes(kept) ? kept : "auto";
    document.documentElement.dataset.theme = this.choice;
    media.addEventListener("change", () => this.tell());
    // Paper is white.
    for (const [event, isPrinting] of [["beforeprint", true], ["afterprint", false]]) {
      window.addEventListener(event, () => {
        this.isPrinting = isPrinting;
        document.documentElement.dataset.theme = isPrinting ? "light" : this.choice;
        this.tell();
      });
    }
  },
  listeners: [],
  listen(listener) {
    this.listeners.push(listener);
  },
  tell() {
    for (const listener of this.listeners) listener();
  },
};
