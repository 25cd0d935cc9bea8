import { browserDiagEnv } from '../diagnostics/env'
import { checkForm, type TargetForm } from '../diagnostics/target'
import { fixes } from '../diagnostics/fixes'
import { el } from '../diagnostics/view/dom'
import { fixTabs } from '../diagnostics/view/finding'
import { mountPanel } from '../diagnostics/view/panel'
import '../diagnostics/view/view.css'
import './standalone.css'

// Nothing starts by itself, and nothing is taken from the address of the page:
// a link must not make a visitor's browser connect anywhere.

const served = window.location.protocol !== 'file:'
const here = served ? window.location : { hostname: 'localhost', port: '8000', protocol: 'http:' }

const presets: Record<string, Partial<TargetForm>> = {
  'Two ports (8000 and 8001)': { scheme: 'ws', wsPort: '8001', httpPort: '8000' },
  'Web port alone (8000)': { scheme: 'ws', wsPort: '8000', httpPort: '8000' },
  'Behind a proxy with TLS (443)': { scheme: 'wss', wsPort: '', httpPort: '' },
}

const labels: Record<keyof TargetForm, string> = {
  scheme: 'Scheme', host: 'Host', wsPort: 'WebSocket port', httpPort: 'HTTP port', chatPath: 'Chat path', echoPath: 'Echo path',
  origin: 'Origin of the page that shall connect',
}

const initial: TargetForm = {
  scheme: here.protocol === 'https:' ? 'wss' : 'ws', host: here.hostname, wsPort: here.port, httpPort: here.port,
  chatPath: '/ws/chat/', echoPath: '/ws/echo/', origin: served ? '' : 'http://localhost:8000',
}

const fields = new Map<keyof TargetForm, HTMLInputElement | HTMLSelectElement>()
const problem = el('p', { class: 'problem', role: 'alert' })
const token = el('input', { type: 'password', id: 'token', autocomplete: 'off', maxlength: '8192' })

function field(name: keyof TargetForm): HTMLElement {
  const input = name === 'scheme'
    ? el('select', { id: name }, el('option', { value: 'ws' }, 'ws://'), el('option', { value: 'wss' }, 'wss://'))
    : el('input', { id: name, type: 'text', autocomplete: 'off', spellcheck: 'false', maxlength: '512' })
  input.value = initial[name]
  fields.set(name, input)
  return el('label', { for: name }, labels[name], input)
}

function read(): TargetForm {
  const value = (name: keyof TargetForm) => fields.get(name)?.value ?? ''
  return {
    scheme: value('scheme') === 'wss' ? 'wss' : 'ws', host: value('host'), wsPort: value('wsPort'), httpPort: value('httpPort'),
    chatPath: value('chatPath'), echoPath: value('echoPath'), origin: value('origin'),
  }
}

function setup() {
  problem.textContent = ''
  fields.forEach((input) => { input.removeAttribute('aria-invalid') })
  const checked = checkForm(read(), served ? window.origin : 'null')
  if (!checked.ok) {
    problem.textContent = `${labels[checked.field]}: ${checked.problem}`
    const input = fields.get(checked.field)
    input?.setAttribute('aria-invalid', 'true')
    input?.focus()
    return 'Correct the settings first.'
  }
  // A file has the origin null, which the chat refuses: transport is judged on
  // echo, and the origin by the server's dry run.
  return {
    target: checked.target, user: 'diagnosis', kind: served ? 'chat' as const : 'echo' as const, earlier: [],
    protocols: ['partyline.v1', `client.${browserDiagEnv.randomKey(24)}`, ...(token.value.trim() === '' ? [] : [`bearer.${token.value.trim()}`])],
  }
}

function choose(name: string): void {
  for (const [key, value] of Object.entries(presets[name] ?? {})) {
    const input = fields.get(key as keyof TargetForm)
    if (input) input.value = value
  }
}

// What a proxy in front has to do, whether or not something failed.
function recommendations(): HTMLElement {
  const said = el('p', { class: 'pd-quiet', role: 'status', 'aria-label': 'Copying' })
  const copy = (text: string) => {
    navigator.clipboard.writeText(text).then(() => { said.textContent = 'Copied.' }, () => { said.textContent = 'This page may not copy: select the text.' })
  }
  const part = (title: string, name: string) => [el('h3', {}, title), fixTabs(fixes[name] ?? {}, 'nginx', { copy })]
  return el('details', { class: 'pd proxies' }, el('summary', {}, 'Settings for nginx, Caddy, HAProxy, Apache and cloud balancers'),
    ...part('Pass WebSocket on', 'upgrade'), ...part('Keep quiet connections', 'timeout'), ...part('Send all three routes to Partyline', 'route'), ...part('Encrypt', 'tls'), said)
}

const panel = el('div')
let last: string | null = null

document.body.append(el('main', {},
  el('h1', {}, 'WebSocket diagnostics'),
  el('p', {}, served ? 'Says why a WebSocket connection to a Partyline server fails. This page works when the chat does not.' : 'Opened from a file, so the transport is tested on the echo address, and the server is asked whether it would accept the origin below.'),
  el('h2', {}, 'Server'),
  el('form', { submit: (event) => { event.preventDefault() }, 'aria-label': 'Server' },
    el('label', { for: 'preset' }, 'Preset', el('select', { id: 'preset', change: (event) => { choose((event.target as HTMLSelectElement).value) } },
      el('option', { value: '' }, 'as entered'), ...Object.keys(presets).map((name) => el('option', { value: name }, name)))),
    ...(Object.keys(labels) as (keyof TargetForm)[]).map(field),
    el('label', { for: 'token' }, 'Token (only if the server wants one)', token)),
  problem, el('h2', {}, 'Diagnosis'), panel, recommendations(),
  el('footer', {}, el('p', { class: 'pd-quiet' }, 'Nothing leaves this page but the requests to the server above. From a terminal, more can be seen: ', el('code', {}, 'partyline doctor ws://host:port/ws/chat/')))))

mountPanel(panel, {
  env: browserDiagEnv, setup, autoStart: false, pause: () => undefined, resume: () => undefined,
  loadLast: () => last, saveLast: (text) => { last = text },
  help: (code) => served ? `/help/${code}` : `http://localhost:8000/help/${code}`,
  heartbeatS: () => 25, room: () => undefined, own: () => [], token: () => null,
})
