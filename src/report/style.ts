/** How the report looks: on a screen, dark or light, and on paper. */
export const STYLE = `
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --quiet: #5c6773; --line: #d5dae0;
  --removed: #ffe3e0; --added: #dcf5e3; --note: #fff3cd; --link: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7ec; --paper: #14181d; --quiet: #98a3af; --line: #333b45;
  --removed: #4d2328; --added: #173d27; --note: #453a14; --link: #8ab4f8; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 2rem 1.5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.25; margin: 1.6em 0 .5em; } h1 { margin-top: 0; }
h2 { border-bottom: 1px solid var(--line); padding-bottom: .2em; }
a { color: var(--link); } .quiet, dt, th { color: var(--quiet); } footer { margin-top: 3rem; }
code, .listing, .diff { font-family: ui-monospace, monospace; font-size: .8125rem; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; } dd { margin: 0; overflow-wrap: anywhere; }
.warning, .refused, .risk { padding: .6rem 1rem; border-left: 4px solid var(--line); margin: 1rem 0; }
.warning, .refused { background: var(--note); } .warning h3, .risk h3, .refused h2 { margin-top: 0; border: 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; } td, th { padding: .1rem .6rem .1rem 0; vertical-align: top; }
.facts td { border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.listing { table-layout: fixed; min-width: 44rem; } .listing .code { white-space: pre-wrap; }
.listing .at { width: 4rem; color: var(--quiet); text-align: right; user-select: none; }
.listing thead th:first-child, .listing thead th { padding-left: .6rem; }
.differs td:nth-child(2):not(.none) { background: var(--removed); }
.differs td:nth-child(4):not(.none) { background: var(--added); }
.differs .at::before { content: "\\25CF "; }
.kind { font-size: .75rem; border: 1px solid var(--line); border-radius: 1rem; padding: .1rem .6rem; }
.diff { white-space: pre-wrap; } .removed { background: var(--removed); } .added { background: var(--added); }
.hunk, .file { color: var(--quiet); }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } nav { display: none; }
  * { print-color-adjust: exact; } tr, .warning, .risk { break-inside: avoid; } .wide { overflow: visible; } .listing { min-width: 0; } }
`;
