/** The look of the report, light and dark. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --panel: #ffffff; --ink: #17202a; --soft: #5b6675; --line: #e3e7ec; --grid: #e9ecf0;
  --a: #2563eb; --b: #e07b00; --c: #0f9488; --good: #15803d; --bad: #c62828; --care: #b45309;
  --good-soft: #e6f4ea; --bad-soft: #fdeaea; --care-soft: #fff4e0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1217; --panel: #171c23; --ink: #e7ebf0; --soft: #9aa6b4; --line: #2a323c; --grid: #242b34;
    --a: #74a7ff; --b: #ffad4d; --c: #4fd1c5; --good: #5ccb86; --bad: #ff8a80; --care: #ffc266;
    --good-soft: #14301f; --bad-soft: #3a1a1a; --care-soft: #35270f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 32px 20px 48px; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif;
}
main { max-width: 1080px; margin: 0 auto; display: grid; gap: 18px; }
header { display: flex; flex-wrap: wrap; align-items: flex-start; justify-content: space-between; gap: 12px 24px; }
h1 { margin: 0; font-size: 28px; line-height: 1.2; letter-spacing: -0.01em; }
h1 span { color: var(--soft); font-weight: 400; }
header p { margin: 6px 0 0; color: var(--soft); }
h2 { margin: 0 0 12px; font-size: 16px; }
h2 small { margin-left: 6px; color: var(--soft); font-size: 13px; font-weight: 400; }
section { min-width: 0; padding: 18px 20px; background: var(--panel); border: 1px solid var(--line); border-radius: 10px; }
.badge { padding: 6px 14px; border-radius: 999px; font-weight: 600; white-space: nowrap; }
.passed { color: var(--good); background: var(--good-soft); }
.failed { color: var(--bad); background: var(--bad-soft); }
.care { border-color: var(--care); background: var(--care-soft); }
.care ul { margin: 0; padding-left: 20px; }
.care h2 { margin-bottom: 4px; color: var(--care); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(125px, 1fr)); gap: 12px; margin: 0; }
.tiles div { padding: 10px 14px; background: var(--panel); border: 1px solid var(--line); border-radius: 10px; }
.tiles dt { color: var(--soft); font-size: 13px; }
.tiles dd { margin: 0; font-size: 24px; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tiles small { color: var(--soft); font-size: 14px; font-weight: 400; }
.bad-number { color: var(--bad); }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 18px; }
.scroll { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th { color: var(--soft); font-size: 13px; font-weight: 500; }
tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { padding-left: 0; text-align: left; }
th:last-child, td:last-child { padding-right: 0; }
td.text, th.text { min-width: 200px; text-align: left; white-space: normal; overflow-wrap: anywhere; }
.meter { display: inline-block; width: 110px; height: 8px; margin-right: 10px; background: var(--grid); border-radius: 4px; }
.meter i { display: block; height: 8px; background: var(--a); border-radius: 4px; }
.share { display: inline-block; min-width: 48px; }
.meter.full i { background: var(--care); }
svg { display: block; width: 100%; height: auto; font-family: inherit; }
.wide svg { min-width: 640px; }
.grid { stroke: var(--grid); }
.label { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
.value { fill: var(--ink); font-size: 13px; font-weight: 600; font-variant-numeric: tabular-nums; }
.value { paint-order: stroke; stroke: var(--panel); stroke-width: 4px; stroke-linejoin: round; }
path { fill: none; stroke-width: 2; stroke-linejoin: round; }
path.line-a { stroke: var(--a); } path.line-b { stroke: var(--b); } path.line-c { stroke: var(--c); }
path.area { fill: var(--a); fill-opacity: 0.1; }
.dot { fill: var(--panel); stroke: var(--a); stroke-width: 2; }
.speck { fill: var(--soft); fill-opacity: 0.55; }
.hover { fill: var(--soft); fill-opacity: 0; }
.hover:hover { fill-opacity: 0.1; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 0 0 8px; padding: 0; color: var(--soft); font-size: 13px; list-style: none; }
.legend i { display: inline-block; width: 18px; height: 3px; margin-right: 7px; border-radius: 2px; vertical-align: middle; }
.legend i.line-a { background: var(--a); } .legend i.line-b { background: var(--b); } .legend i.line-c { background: var(--c); }
.legend i.speck { width: 6px; height: 6px; border-radius: 50%; background: var(--soft); }
footer { color: var(--soft); font-size: 13px; }
@media print { body { padding: 0; background: none; } section { break-inside: avoid; } }
`
