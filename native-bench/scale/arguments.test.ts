import { describe, expect, it } from 'vitest'
import { parseScaleArguments } from './arguments.js'

describe('the flags of scale', () => {
  it('take growing counts', () => {
    expect(parseScaleArguments(['--steps=10,20,40']).steps).toEqual([10, 20, 40])
  })

  it.each(['--steps=20,10', '--steps=a,b', '--steps=1.5,2', '--storms='])('refuse %s', (flag) => {
    expect(() => parseScaleArguments([flag])).toThrow(flag.split('=')[0])
  })

  it('want more than one step', () => {
    expect(() => parseScaleArguments(['--steps=10'])).toThrow('--steps wants two counts or more')
  })
})
