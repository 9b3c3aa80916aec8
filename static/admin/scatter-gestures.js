// What a hand does to a map: a mouse, fingers, a wheel, keys.

/** Lets a `Sheet` be moved, enlarged, pointed at and lassoed. */
export function listen(sheet) {
  const { canvas } = sheet;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener('pointerdown', (event) => {
    const at = place(event);
    sheet.pointers.set(event.pointerId, at);
    canvas.setPointerCapture(event.pointerId);
    sheet.moved = 0;
    sheet.loop = sheet.pointers.size === 1 && (sheet.lasso || event.shiftKey) ? [at] : null;
  });
  canvas.addEventListener('pointermove', (event) => {
    const [x, y] = place(event);
    const before = sheet.pointers.get(event.pointerId);
    if (!before) {
      sheet.point(sheet.hit(x, y), x, y);
      return;
    }
    sheet.pointers.set(event.pointerId, [x, y]);
    sheet.moved += Math.hypot(x - before[0], y - before[1]);
    if (sheet.moved > 4) sheet.point(null);
    if (sheet.loop) {
      sheet.loop.push([x, y]);
      sheet.schedule();
    } else if (sheet.pointers.size === 2) {
      const [other] = [...sheet.pointers].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
      const spread = (at) => Math.max(1, Math.hypot(at[0] - other[0], at[1] - other[1]));
      sheet.zoom(spread([x, y]) / spread(before), other[0], other[1]);
    } else if (sheet.moved > 4) {
      sheet.pan(x - before[0], y - before[1]);
    }
  });
  const up = (event) => {
    if (!sheet.pointers.delete(event.pointerId)) return;
    const loop = sheet.loop;
    sheet.loop = null;
    if (loop?.length > 2) sheet.lassoed(sheet.within(loop));
    else if (!loop && sheet.moved <= 4 && event.type === 'pointerup') {
      const at = sheet.hit(...place(event));
      if (at !== null) sheet.open(sheet.points[at]);
    }
    sheet.schedule();
  };
  canvas.addEventListener('pointerup', up);
  canvas.addEventListener('pointercancel', up);
  canvas.addEventListener('pointerleave', () => sheet.point(null));
  // A wheel that turns over a map on its way down the page turns the page; the map's own begins with a click or Ctrl.
  canvas.addEventListener(
    'wheel',
    (event) => {
      if (document.activeElement !== canvas && !event.ctrlKey) return;
      event.preventDefault();
      sheet.zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), ...place(event));
    },
    { passive: false },
  );
  canvas.addEventListener('keydown', (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const does = {
      ArrowLeft: () => sheet.pan(60, 0),
      ArrowRight: () => sheet.pan(-60, 0),
      ArrowUp: () => sheet.pan(0, 60),
      ArrowDown: () => sheet.pan(0, -60),
      '+': () => sheet.zoom(1.3),
      '=': () => sheet.zoom(1.3),
      '-': () => sheet.zoom(1 / 1.3),
      0: () => sheet.reset(),
    }[event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });
}
