import { expect, it } from 'vitest'
import { fetchStages, parseStages } from './stages'

it('reads numbers of 64 bits as texts and as numbers', () => {
  expect(parseStages('{"stage":"origin","outcome":"refused","since_accept_us":"1500","duration_us":20,"error_type":"bad_origin","error_detail":"x","close_code":0}\n')).toEqual([
    { stage: 'origin', outcome: 'refused', since: 1500, took: 20, error: 'bad_origin', detail: 'x', closeCode: 0 },
  ])
})
it('asks nothing about what is no id', async () => {
  expect(await fetchStages(`' OR 1 --`, 't', AbortSignal.abort())).toBe('the server gave it no id')
})
