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
      const name = text.includes(': ') ? text.split(': ')[0] : '';
      return { mark, text, name, x: Number(mark.getAttribute('cx')), y: Number(mark.getAttribute('cy')) };
    });
    if (points.length === 0) return;
    const lines = [...new Set(points.map((p) => p.name))];
    const line = (name) => points.filter((p) => p.name === name).sort((a, b) => a.x - b.x);
    const nearest = (among, away) => among.reduce((best, p) => (away(p) < away(best) ? p : best));
    let shown = null;

    const hide = () => {
      if (shown) shown.mark.classList.remove('at');
      value.hidden = true;
    };
    const show = (point, aloud) => {
      hide();
      shown = point;
      const { mark, text } = point;
      mark.classList.add('at');
      value.textContent = text;
      value.hidden = false;
      if (aloud) {
        mark.scrollIntoView({ block: 'nearest', inline: 'nearest', behavior: 'instant' });
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
      const best = nearest(points, away);
      // A finger is less exact than a pointer.
      return away(best) < (event.pointerType === 'touch' ? 90 : 45) ? best : null;
    };
    const point = (event) => {
      const found = near(event);
      if (found) show(found, false); else hide();
    };
    plot.addEventListener('pointermove', point);
    plot.addEventListener('pointerdown', point);
    plot.addEventListener('pointerleave', hide);
    plot.addEventListener('blur', hide);

    // One stop for the tabulator; from there, the arrows go along a line, and from line to line.
    plot.setAttribute('role', 'application');
    plot.setAttribute('aria-description', `${points.length} points: read them with the arrow keys, Home and End`);
    const along = (step) => {
      const own = line(shown.name);
      return own[own.indexOf(shown) + step] || shown;
    };
    const across = (step) => {
      const name = lines[lines.indexOf(shown.name) + step];
      return name === undefined ? shown : nearest(line(name), (p) => Math.abs(p.x - shown.x));
    };
    const moves = {
      ArrowRight: () => along(1), ArrowLeft: () => along(-1),
      ArrowDown: () => across(1), ArrowUp: () => across(-1),
      Home: () => line(shown.name)[0], End: () => line(shown.name).at(-1),
    };
    plot.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') return hide();
      const move = moves[event.key];
      if (!move || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      show(shown ? move() : line(lines[0])[0], true);
    });
  };
  document.querySelectorAll('.plot').forEach(prepare);
  addEventListener('scroll', () => { if (!document.activeElement.closest('.plot')) value.hidden = true; }, { passive: true });
})();
