import { expect, test } from 'vitest'
import { BACKEND_ROLE, clientLimits } from './verdict.js'
import type { ClientSigns } from './verdict.js'

const IDLE: ClientSigns = {
  workers: [
    { role: 'publisher 1', busy: 0.02, lagP99Ms: 0.3 },
    { role: 'clients 1', busy: 0.4, lagP99Ms: 2 },
  ],
  lateSendsP99Ms: 0.4,
  machineBusy: 0.6,
  sameMachine: true,
}

test('a load client with room to spare', () => {
  expect(clientLimits(IDLE)).toEqual([])
})

test.each<[string, Partial<ClientSigns>, RegExp]>([
  [
    'a worker has no room',
    { workers: [...IDLE.workers, { role: 'clients 2', busy: 0.93, lagP99Ms: 1 }] },
    /^clients 2 was busy 93 %.*--workers/,
  ],
  [
    'its own backend has no room',
    { workers: [{ role: BACKEND_ROLE, busy: 0.99, lagP99Ms: 0 }] },
    /^the backend was busy 99 %.*your own/,
  ],
  [
    'timers come late',
    { workers: [{ role: 'clients 1', busy: 0.5, lagP99Ms: 80 }] },
    /^timers of clients 1 came 80 ms late/,
  ],
  ['sends go out late', { lateSendsP99Ms: 12.3 }, /^sends went out 12 ms late/],
  [
    'gateway and client share a full machine',
    { machineBusy: 0.99 },
    /^this machine was 99 % busy: gateway and load client/,
  ],
  [
    'the client’s machine is full',
    { machineBusy: 0.99, sameMachine: false },
    /^this machine was 99 % busy: the load client had/,
  ],
])('%s', (_situation, signs, expected) => {
  const limits = clientLimits({ ...IDLE, ...signs })
  expect(limits).toHaveLength(1)
  expect(limits[0]).toMatch(expected)
})
