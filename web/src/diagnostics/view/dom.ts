type Child = Node | string | undefined | false
type Attributes = Record<string, string | boolean | ((event: Event) => void)>

/** Makes an element. Texts become text, never markup. */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag)
  set(element, attributes, children)
  return element
}

/** The same for pictures. */
export function svg(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag)
  set(element, attributes, children)
  return element
}

function set(element: Element, attributes: Attributes, children: Child[]): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value)
    else if (value === true) element.setAttribute(name, '')
    else if (value !== false) element.setAttribute(name, value)
  }
  for (const child of children) if (child !== undefined && child !== false) element.append(child)
}

export function button(text: string, run: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return el('button', { type: 'button', click: run, ...attributes }, text)
}

export function table(head: string[], rows: (string | Node)[][], label: string): HTMLElement {
  return el('div', { class: 'pd-scroll', tabindex: '0', role: 'region', 'aria-label': label }, el('table', {},
    el('thead', {}, el('tr', {}, ...head.map((h) => el('th', { scope: 'col' }, h)))),
    el('tbody', {}, ...rows.map((row) => el('tr', {}, ...row.map((cell) => el('td', {}, cell)))))))
}
