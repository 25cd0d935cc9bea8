import { describe, expect, it } from 'vitest'
import { csvCell, parseTable, toCSV, toJSON } from './table'

describe('csvCell', () => {
  it.each([
    ['=1+1', `"'=1+1"`],
    ['=HYPERLINK("http://x","y")', `"'=HYPERLINK(""http://x"",""y"")"`],
    ['+cmd', `"'+cmd"`], ['-cmd', `"'-cmd"`], ['@SUM(A1)', `"'@SUM(A1)"`],
    ['  =1', `"'  =1"`], ['\t=1', `"'\t=1"`], ['\r=1', `"'\r=1"`], ['\uFF1D1', `"'\uFF1D1"`],
    ['-1+cmd|x', `"'-1+cmd|x"`],
  ])('keeps a spreadsheet from running %j', (text, want) => { expect(csvCell(text)).toBe(want) })
  it.each([['-12.5e3', '-12.5e3'], ['abc', 'abc'], ['', ''], ['a,b', '"a,b"'], ['a"b', '"a""b"'], ['a=1', 'a=1']])(
    'leaves %j as it is', (text, want) => { expect(csvCell(text)).toBe(want) })
})

describe('parseTable', () => {
  it('reads names, types and rows', () => {
    const table = parseTable('["a","b"]\n["UInt8","String"]\n[1,"<b>"]\n[null,"=1"]\n')
    expect(table).toEqual({ names: ['a', 'b'], types: ['UInt8', 'String'], rows: [['1', '<b>'], ['NULL', '=1']] })
    expect(toCSV(table)).toBe(`a,b\r\n1,<b>\r\nNULL,"'=1"\r\n`)
    expect(JSON.parse(toJSON(table))).toEqual(table)
  })
  it('tells where the server gave up', () => {
    expect(parseTable('["a"]\n["UInt8"]\n[1]\n\n{"error":"too slow"}\n')).toMatchObject({ rows: [['1']], broken: 'too slow' })
  })
  it('tells that an answer was cut off', () => {
    expect(parseTable('["a"]\n["UInt8"]\n[1]\n[2')).toMatchObject({ rows: [['1']], broken: 'The answer was cut off.' })
  })
  it('takes an empty answer', () => { expect(parseTable('')).toEqual({ names: [], types: [], rows: [] }) })
})
