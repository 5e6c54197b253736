// The CSS of all pages: light and dark, wide and narrow, screen and paper. Nothing is fetched.
#include "page/page.h"

namespace rum::page {
const char* const kPageStyle = R"(
:root{color-scheme:light dark;--paper:#fff;--ink:#1c1e21;--soft:#5c6370;--rule:#d9dce1;--shade:#f5f6f8;--good:#1a7f4b;--bad:#b3261e;
--open:#7a6200;--care:#fff8e6;--c0:#2f5fd0;--c1:#d0602f;--c2:#2a8a5c;--c3:#9a3fb5;--c4:#a17800;--c5:#00879b;--c6:#c2316f;--c7:#6b7280}
@media screen and (prefers-color-scheme:dark){:root{--paper:#15171a;--ink:#e6e8eb;--soft:#9aa2ae;--rule:#343941;--shade:#1e2126;
--good:#5fcf95;--bad:#ff8a80;--open:#e6c34a;--care:#26221a;--c0:#7ea2ff;--c1:#ff9a6b;--c2:#5fcf95;--c3:#d68cf0;--c4:#e6c34a;--c5:#4fd0e3;
--c6:#ff86b4;--c7:#a5adb8}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:72rem;padding:1.5rem 1.2rem 4rem;background:var(--paper);color:var(--ink);font:16px/1.55 Charter,Georgia,serif}
h1{font-size:1.8rem;line-height:1.2;margin:0 0 .3rem}h2{font-size:1.25rem;margin:2.6rem 0 .6rem;border-bottom:1px solid var(--rule);padding-bottom:.2rem}
h3{font-size:1rem;margin:1.4rem 0 .3rem}p,li{max-width:46rem;overflow-wrap:anywhere}a{color:inherit;text-decoration-color:var(--soft)}
.soft{color:var(--soft);font-size:.9rem}nav{font:.85rem/1.9 system-ui,sans-serif;margin:1rem 0}nav a{margin-right:1.1rem;white-space:nowrap}
.care{background:var(--care);border-left:4px solid var(--open);padding:.6rem 1rem;margin:1rem 0}.care h2{margin:0;border:0;font-size:1.05rem}
.care ul{margin:.3rem 0;padding-left:1.2rem}
figure{margin:1.4rem 0}figcaption{font:.88rem/1.45 system-ui,sans-serif;max-width:52rem;margin:.4rem 0;overflow-wrap:anywhere}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:.6rem 2rem;align-items:start}
.charts svg{max-width:38rem}
.scroll{overflow-x:auto;margin:.3rem 0}
table{width:100%;border-collapse:collapse;font:.85rem/1.4 system-ui,sans-serif;font-variant-numeric:tabular-nums}
th,td{padding:.3rem .55rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--rule)}
thead th{font-weight:600;color:var(--soft);vertical-align:bottom}th[title]{text-decoration:underline dotted;text-underline-offset:3px}
td{white-space:nowrap}td small{color:var(--soft);font-size:.92em}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:var(--paper);white-space:normal;min-width:11rem;max-width:26rem;font-weight:400}
.words th,.words td{text-align:left;white-space:normal}
.short th:first-child,.short td:first-child{min-width:0}
th.over{text-align:left;background:var(--shade);max-width:none;color:var(--ink)}
.verdict{font-weight:600;white-space:nowrap}.holds{color:var(--good)}.does_not_hold{color:var(--bad)}.undecided{color:var(--open)}
svg{width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--ink)}svg .title{font-size:13px;font-weight:600}svg .tick,svg .label,svg .note{fill:var(--soft)}svg .label,svg .tick,svg .note{font-size:11px}
svg .name,svg .note,svg .tick,svg .label{paint-order:stroke;stroke:var(--paper);stroke-width:5px;stroke-linejoin:round}
.grid{stroke:var(--rule)}.zero{stroke:var(--soft);stroke-width:1.4}.line{fill:none;stroke-width:1.8}.level{stroke-width:1.8;stroke-dasharray:6 4}
.reference{fill:none;stroke:var(--soft);stroke-dasharray:3 3}.interval{stroke-width:1.8;opacity:.6}.band{opacity:.12;stroke:none}
.bar{opacity:.28;stroke:none}.dot{stroke:none}
.line.s0,.level.s0,.interval.s0{stroke:var(--c0)}.line.s1,.level.s1,.interval.s1{stroke:var(--c1)}.line.s2,.level.s2,.interval.s2{stroke:var(--c2)}
.line.s3,.level.s3,.interval.s3{stroke:var(--c3)}.line.s4,.level.s4,.interval.s4{stroke:var(--c4)}.line.s5,.level.s5,.interval.s5{stroke:var(--c5)}
.line.s6,.level.s6,.interval.s6{stroke:var(--c6)}.line.s7,.level.s7,.interval.s7{stroke:var(--c7)}
.dot.s0,.band.s0,.bar.s0{fill:var(--c0)}.dot.s1,.band.s1,.bar.s1{fill:var(--c1)}.dot.s2,.band.s2,.bar.s2{fill:var(--c2)}
.dot.s3,.band.s3,.bar.s3{fill:var(--c3)}.dot.s4,.band.s4,.bar.s4{fill:var(--c4)}.dot.s5,.band.s5,.bar.s5{fill:var(--c5)}
.dot.s6,.band.s6,.bar.s6{fill:var(--c6)}.dot.s7,.band.s7,.bar.s7{fill:var(--c7)}
.tokens{white-space:pre-wrap;line-height:1.9;max-width:52rem}.tokens span{border-radius:.2em;padding:.1em 0}.tokens .given{color:var(--soft)}
.h0{background:color-mix(in srgb,var(--c2) 22%,transparent)}.h1{background:color-mix(in srgb,var(--c4) 18%,transparent)}.h2{background:color-mix(in srgb,var(--c1) 22%,transparent)}
.h3{background:color-mix(in srgb,var(--c1) 42%,transparent)}.h4{background:color-mix(in srgb,var(--bad) 42%,transparent)}.h5{background:color-mix(in srgb,var(--c3) 48%,transparent)}
.k0{background:color-mix(in srgb,var(--c0) 24%,transparent)}.k1{background:color-mix(in srgb,var(--c4) 24%,transparent)}.k2{background:color-mix(in srgb,var(--c2) 24%,transparent)}.k3{background:color-mix(in srgb,var(--c6) 24%,transparent)}
.heads{display:grid;grid-template-columns:repeat(auto-fill,minmax(7rem,1fr));gap:.5rem;align-items:start;max-width:60rem}.heads details{border:1px solid var(--rule);border-radius:.3rem;padding:.2rem .3rem}
.heads summary{font:.75rem system-ui,sans-serif;color:var(--soft);cursor:pointer}.heads summary svg{display:block;aspect-ratio:1;margin-top:.2rem}
.heads svg text{font:9px ui-monospace,monospace}.heads details[open]{grid-column:1/-1;overflow-x:auto}.heads details[open]>summary>svg{width:0;height:0}.heads details>svg{display:block;width:var(--w);max-width:none}.hidden{position:absolute}
.samples{white-space:pre-wrap;overflow-wrap:anywhere;font:.85rem/1.5 ui-monospace,monospace}
mark{background:none;color:var(--bad);text-decoration:underline dotted}
.sample{border-left:3px solid var(--rule);padding:.1rem .9rem;margin:1rem 0}.sample dl{display:grid;grid-template-columns:14rem 1fr;gap:.1rem .8rem;margin:.4rem 0;font-size:.92rem}
.sample dt{color:var(--soft);font:.8rem/1.7 system-ui,sans-serif}.sample dd{margin:0}
@media screen and (max-width:640px){body{padding:1rem .8rem 3rem}.sample dl{grid-template-columns:1fr}.sample dd{margin-bottom:.4rem}
.scroll{overflow:visible}table,tbody,tr,td,tbody th{display:block}thead{display:none}
tr{border-bottom:1px solid var(--rule);padding:.4rem 0}td,tbody th{border:0;padding:.1rem 0;white-space:normal;max-width:none;overflow-wrap:anywhere}
th:first-child,td:first-child{position:static;max-width:none;font-weight:600}
td:not(:first-child){display:flex;justify-content:space-between;gap:1rem}td:not(:first-child)::before{content:attr(data-label);color:var(--soft);text-align:left}
td>br{display:none}td small{margin-left:.4rem}}
@media print{@page{size:A4;margin:13mm 12mm}:root{color-scheme:light}body{max-width:none;padding:0;font-size:10pt}nav{display:none}
h2,h3,figcaption{break-after:avoid}.charts>div,.care,tr,figcaption,.sample dd{break-inside:avoid}
tr:has(>.over),tbody tr:first-child,tbody tr:nth-last-child(2){break-after:avoid}figure:not(.table) figcaption{break-before:avoid;break-after:auto}thead{display:table-header-group}
ul.soft{font-size:7.6pt;columns:2}.scroll{overflow:visible}table{font-size:7.4pt}figcaption{font-size:8.5pt}th,td{padding:.2rem .3rem;white-space:normal}
th:first-child,td:first-child{position:static;min-width:0;max-width:none}.charts{display:grid;grid-template-columns:1fr 1fr;gap:.4rem 1rem}
.charts:has(>:only-child){grid-template-columns:62%}.care{border:1px solid #bbb;border-left:4px solid #7a6200}a{text-decoration:none}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)";
}  // namespace rum::page
