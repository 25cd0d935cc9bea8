import { renderToStaticMarkup } from 'react-dom/server'
import { createElement } from 'react'
import { describe, expect, it } from 'vitest'
import { Markdown } from './Markdown'
import { parseMarkdown } from './parse'

const html = (text: string) => renderToStaticMarkup(createElement(Markdown, { text })).replace(/ (class|rel|target|title)="[^"]*"/g, '')

describe('the Markdown of messages', () => {
  it.each([
    ['plain', 'plain'],
    ['**bold** and *it*, _it_', '<strong>bold</strong> and <em>it</em>, <em>it</em>'],
    ['**bold with *it* inside**', '<strong>bold with <em>it</em> inside</strong>'],
    ['`a*b*` ``a`b``', '<code>a*b*</code> <code>a`b</code>'],
    ['snake_case_name 2*3*4 2 * 3 * 4', 'snake_case_name 2*3*4 2 * 3 * 4'],
    ['**open and `open', '**open and `open'],
    ['**', '**'],
    ['* a\n* b', '* a\n* b'],
    ['```js\nif (a < b) {}\n```', '<code>if (a &lt; b) {}</code>'],
    ['see https://a.example/x_y_z?q=1. Yes', 'see <a href="https://a.example/x_y_z?q=1"><bdi>https://a.example/x_y_z?q=1</bdi></a>. Yes'],
    ['(https://a.example)', '(<a href="https://a.example/"><bdi>https://a.example</bdi></a>)'],
  ])('reads %j', (text, expected) => {
    expect(html(text)).toBe(expected)
  })
})

describe('what wants to harm', () => {
  it.each([
    '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '[x](javascript:alert(1))', 'javascript:alert(1)',
    '[x](data:text/html,<b>)', '[x](https://user:secret@a.example/)', '[<b>](vbscript:x)', '[a](https://a.example" onclick="x)',
  ])('stays text: %s', (text) => {
    expect(parseMarkdown(text).every((piece) => typeof piece === 'string' || piece.kind === 'link' && piece.href.startsWith('https://a.example')), text).toBe(true)
    expect(html(text)).not.toMatch(/<(script|img|b)\b|javascript:.*"|onclick="/)
  })

  it('shows where a labelled link and a look-alike lead', () => {
    expect(html('[https://bank.example](https://evil.example/login)')).toContain('(evil.example)')
    expect(html('https://аpple.example/')).toContain('xn--pple-43d.example')
  })

  it('costs time in proportion to its length', () => {
    for (const part of ['*a ', '**a ', '_a ', '`', '``a', '[', '[a](', 'http://', '***', '*_', '```\n', '~*`[']) {
      const text = part.repeat(Math.ceil(8_000 / part.length))
      expect(JSON.stringify(parseMarkdown(text)).length).toBeGreaterThan(0)
    }
  })
})
