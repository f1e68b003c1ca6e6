/** Two palettes that stay apart for the colour-blind (after Okabe and Ito), one for each scheme. */
const LIGHT = ['#0072b2', '#c75300', '#007a5a', '#a8448a', '#7d6a00', '#2f8fc4', '#5d5d5d', '#8a2d2d'];
const DARK = ['#4ea8de', '#ff9a4d', '#2cc79b', '#e39ac9', '#e2d35a', '#a5d8ff', '#b8b8b8', '#ff8f8f'];

function variables(colors: readonly string[]): string {
  return colors.map((color, i) => `--c${i}:${color}`).join(';');
}

export const STYLE = `
:root{color-scheme:light dark;--page:#f6f6f3;--card:#fff;--ink:#1d2127;--muted:#5b6470;--line:#dfe1e4;--soft:#eef0f1;--good:#00694e;--bad:#b23a00;--warn:#fff1dc;--rgb:#0072b2;--skeleton:#c75300;--link:#0067a8;${variables(LIGHT)}}
@media (prefers-color-scheme:dark){:root{--page:#14171b;--card:#1c2026;--ink:#e6e8eb;--muted:#a0a8b3;--line:#343a43;--soft:#262b32;--good:#43d3a6;--bad:#ff9a66;--warn:#3a2a12;--rgb:#4ea8de;--skeleton:#ff9a4d;--link:#6db8ec;${variables(DARK)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Open Sans",sans-serif;overflow-wrap:break-word}
main{max-width:1180px;margin:0 auto;padding:2.2rem 1.25rem 4rem}
h1{font-size:clamp(1.6rem,4.5vw,2.4rem);line-height:1.15;margin:.1em 0 .5em;letter-spacing:-.015em}
h2{font-size:1.3rem;line-height:1.25;margin:0 0 .35em;letter-spacing:-.01em}
h3{font-size:1rem;margin:1.6em 0 .5em}
p,.findings{max-width:92ch;margin:.4em 0 .9em}
small{display:block;font-size:.76rem;font-weight:400;color:var(--muted);line-height:1.35}
code{font-size:.92em;background:var(--soft);padding:.1em .3em;border-radius:4px}
.kicker{margin:0;color:var(--muted);font-size:.85rem;letter-spacing:.02em}
.lead{font-size:1.08rem}
.muted{color:var(--muted)}
.note{border-left:3px solid var(--line);padding-left:.8rem;color:var(--muted);font-size:.92rem}
section{margin-top:2.6rem;padding-top:1.5rem;border-top:1px solid var(--line)}
nav{font-size:.88rem;margin-top:1.2rem;display:flex;flex-wrap:wrap;gap:.35rem .9rem}
nav a{color:var(--link);text-decoration:none}
nav a:hover{text-decoration:underline}
dl,dd{margin:0}
dt{font-size:.78rem;color:var(--muted)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,250px),1fr));gap:.7rem 1.6rem;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.2rem;font-size:.9rem}
.facts>div{min-width:0}
.glossary{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:.9rem 2rem;font-size:.92rem}
.glossary dt{font-size:inherit;font-weight:600;color:var(--ink)}
.scroll{overflow:auto;background:var(--card);border:1px solid var(--line);border-radius:10px;max-width:100%}
.tall{max-height:70vh}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.88rem;font-variant-numeric:tabular-nums}
th,td{padding:.55rem .8rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--line);white-space:nowrap}
tbody:last-child tr:last-child>*{border-bottom:0}
thead th{font-weight:600;vertical-align:bottom;white-space:normal;min-width:6.5em;background:var(--soft);position:sticky;top:0;z-index:1}
th:first-child{text-align:left;position:sticky;left:0;background:var(--card);font-weight:600;z-index:1}
thead th:first-child{background:var(--soft);z-index:2}
tbody th:first-child{white-space:normal;min-width:16em}
th.text,td.text{text-align:left}
.main td{min-width:7.5em}
.reference th,.reference td{color:var(--muted);font-weight:400}
td.none{color:var(--muted)}
.bar{display:block;position:relative;height:5px;margin:.3rem 0 .25rem;border-radius:3px;background:linear-gradient(var(--color),var(--color)) 0/var(--value) 100% no-repeat,var(--soft);overflow:hidden}
.bar::after{content:"";position:absolute;top:0;bottom:0;left:var(--low);width:calc(var(--high) - var(--low));background:var(--ink);opacity:.28}
.dot{display:inline-block;width:.72em;height:.72em;border-radius:50%;margin-right:.45em;vertical-align:-.02em}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.2rem;margin:.2rem 0 1rem;padding:0;font-size:.88rem}
.legend svg{width:28px;height:14px;margin-right:.45em;vertical-align:-2px}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:1rem}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem .7rem .5rem;min-width:0}
figcaption{font-size:.9rem;font-weight:600;padding:0 .3rem .3rem}
.chart{display:block;width:100%;height:auto;margin:0 auto;color:var(--ink)}
.chart text{font-family:inherit}
.findings{padding-left:1.2rem;margin:.2rem 0 1rem}
.findings li{margin:.15rem 0}
.legend svg.marker{width:14px;margin-right:.3em}
.exhibits{display:grid;align-items:start;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:1rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.1rem;min-width:0}
.card h3{margin:0}
.card p{margin:.1rem 0 .6rem;font-size:.88rem}
.predictions{display:flex;flex-wrap:wrap;gap:.4rem 1.6rem;margin-bottom:.8rem;font-size:.95rem}
.right{color:var(--good)}
.wrong{color:var(--bad);font-weight:600}
.row{display:grid;grid-template-columns:7.4rem 1fr;gap:.6rem;align-items:center;margin-top:.45rem}
.row .name{font-size:.8rem;line-height:1.3}
.row img{width:100%;height:auto;image-rendering:pixelated;border-radius:4px}
.poses{display:flex;gap:2px;background:var(--soft);border-radius:4px}
.poses svg{flex:1 1 0;min-width:0;height:auto;max-height:120px}
.poses path{fill:none;stroke-width:1.7;stroke-linecap:round;stroke-linejoin:round;vector-effect:non-scaling-stroke}
.clean{stroke:var(--ink)}
.ghost{stroke:var(--ink);opacity:.45}
.poses .ghost{stroke-width:1}
.changed{stroke:var(--bad)}
.ok{color:var(--good);font-weight:600}
.warning{background:var(--warn);border:1px solid var(--bad);border-left-width:5px;border-radius:8px;padding:.8rem 1rem}
.warning ul{margin:.4rem 0 0;padding-left:1.2rem}
summary{cursor:pointer}
footer{margin-top:2.5rem;color:var(--muted);font-size:.82rem}
@media (max-width:520px){main{padding:1.3rem .8rem 3rem}.row{grid-template-columns:1fr;gap:.15rem}.row .name small{display:inline;margin-left:.5em}tbody th:first-child{min-width:8.5em;max-width:9.5em}tbody th:first-child small{display:none}th,td{padding:.5rem .6rem}}
@media print{section{break-inside:avoid}}
`;
