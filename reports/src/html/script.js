// What the page does beyond being read: dark or light, tables in another order, the values of points. Without it all is
// there but these.
(() => {
  'use strict';
  const root = document.documentElement;
  const said = document.getElementById('said');
  const value = document.getElementById('value');

  const toggle = document.getElementById('theme');
  const system = matchMedia('(prefers-color-scheme: dark)');
  const dark = () => (root.dataset.theme || (system.matches ? 'dark' : 'light')) === 'dark';
  const pressed = () => toggle.setAttribute('aria-pressed', String(dark()));
  toggle.addEventListener('click', () => {
    root.dataset.theme = dark() ? 'light' : 'dark';
    pressed();
  });
  system.addEventListener('change', pressed);
  toggle.hidden = false;
  pressed();

  // What is missing comes last, whichever way.
  const order = (a, b, up) => {
    if (a === '' || b === '') return (a === '') - (b === '');
    const [x, y] = [Number(a), Number(b)];
    const less = Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
    return up ? less : -less;
  };
  const sort = (table, head) => {
    const up = head.getAttribute('aria-sort') !== 'ascending';
    const body = table.tBodies[0];
    const key = (row) => row.cells[head.cellIndex].dataset.v ?? row.cells[head.cellIndex].textContent;
    const rows = [...body.rows].map((row) => [key(row), row]);
    rows.sort((a, b) => order(a[0], b[0], up));
    body.append(...rows.map((pair) => pair[1]));
    for (const other of head.parentElement.cells) other.removeAttribute('aria-sort');
    head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
    said.textContent = `Sorted by ${head.textContent.trim()}, ${up ? 'ascending' : 'descending'}`;
  };
  for (const table of document.querySelectorAll('table.sortable')) {
    table.tHead.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      if (button) sort(table, button.closest('th'));
    });
  }

  const prepare = (plot) => {
    const svg = plot.querySelector('svg');
    // The browser would show titles a second time, later and elsewhere.
    const taken = (title) => {
      title.remove();
      return title.textContent.replaceAll('\n', ', ');
    };
    svg.setAttribute('aria-label', taken(svg.querySelector('title')));
    const points = [...plot.querySelectorAll('.tips > *')].map((mark) => {
      const text = taken(mark.querySelector('title'));
      return { mark, text, x: Number(mark.getAttribute('cx')), y: Number(mark.getAttribute('cy')) };
    });
    if (points.length === 0) return;
    points.sort((a, b) => a.x - b.x || a.y - b.y);
    let at = -1;

    const hide = () => {
      if (at >= 0) points[at].mark.classList.remove('at');
      value.hidden = true;
    };
    const show = (index, aloud) => {
      hide();
      at = index;
      const { mark, text } = points[at];
      mark.classList.add('at');
      value.textContent = text;
      value.hidden = false;
      if (aloud) {
        mark.scrollIntoView({ block: 'nearest', inline: 'nearest' });
        said.textContent = text;
      }
      const box = mark.getBoundingClientRect();
      const width = value.offsetWidth;
      const left = Math.min(Math.max(box.x + box.width / 2 - width / 2, 4), root.clientWidth - width - 4);
      const above = box.y - value.offsetHeight - 6;
      value.style.left = `${left}px`;
      value.style.top = `${above > 4 ? above : box.bottom + 6}px`;
    };
    const near = (event) => {
      const place = svg.getScreenCTM().inverse();
      const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(place);
      const away = (p) => Math.hypot(p.x - x, p.y - y);
      let best = 0;
      points.forEach((p, i) => { if (away(p) < away(points[best])) best = i; });
      // A finger is less exact than a pointer.
      return away(points[best]) < (event.pointerType === 'touch' ? 90 : 45) ? best : -1;
    };
    const point = (event) => {
      const index = near(event);
      if (index >= 0) show(index, false); else hide();
    };
    plot.addEventListener('pointermove', point);
    plot.addEventListener('pointerdown', point);
    plot.addEventListener('pointerleave', hide);
    plot.addEventListener('blur', hide);

    // One stop for the tabulator; from there, the arrows go from point to point.
    plot.setAttribute('role', 'application');
    plot.setAttribute('aria-description', `${points.length} points: read them with the arrow keys, Home and End`);
    const column = (from, step) => {
      // The next point at another x: of those there, the one at the nearest height.
      let to = from + step;
      while (points[to] && points[to].x === points[from].x) to += step;
      if (!points[to]) return from;
      const there = points.map((p, i) => i).filter((i) => points[i].x === points[to].x);
      const away = (i) => Math.abs(points[i].y - points[from].y);
      return there.reduce((best, i) => (away(i) < away(best) ? i : best));
    };
    const same = (from, step) => (points[from + step] && points[from + step].x === points[from].x ? from + step : from);
    const moves = {
      ArrowRight: () => column(at, 1), ArrowLeft: () => column(at, -1),
      ArrowDown: () => same(at, 1), ArrowUp: () => same(at, -1),
      Home: () => 0, End: () => points.length - 1,
    };
    plot.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') return hide();
      const move = moves[event.key];
      if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      show(at < 0 ? 0 : move(), true);
    });
  };
  document.querySelectorAll('.plot').forEach(prepare);
  addEventListener('scroll', () => { if (!document.activeElement.closest('.plot')) value.hidden = true; }, { passive: true });
})();
