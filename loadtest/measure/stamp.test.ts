import { expect, test } from 'vitest'
import { newRun, STAMP_BYTES, StampReader, Stamper } from './stamp.js'

const EPOCH_MS = 5_000.25

test('a stamp is read as it was written, wherever it stands', () => {
  const reader = new StampReader('00c0ffee', EPOCH_MS)
  const text = new Stamper('00c0ffee', 12, EPOCH_MS, 100).stamp(1_234_567_890, EPOCH_MS + 86_400_000.123)
  expect(text).toHaveLength(100)
  expect(text).toBe(`00c0ffee 0012 1234567890 086400000123 ${'x'.repeat(62)}`)
  const bytes = Buffer.from(`data: ${text}\n`)
  expect(reader.read(bytes, 6, bytes.length - 1)).toBe(true)
  expect(reader.source).toBe(12)
  expect(reader.number).toBe(1_234_567_890)
  expect(reader.intendedMs).toBeCloseTo(EPOCH_MS + 86_400_000.123, 3)
})

test('the shortest message is the stamp alone', () => {
  const text = new Stamper('00000001', 0, 0, STAMP_BYTES).stamp(0, 0)
  expect(text).toHaveLength(STAMP_BYTES)
  expect(new StampReader('00000001', 0).read(Buffer.from(text), 0, STAMP_BYTES)).toBe(true)
})

test('what another run or somebody else sent is no stamp', () => {
  const reader = new StampReader('00c0ffee', 0)
  const readText = (text: string): boolean => reader.read(Buffer.from(text), 0, text.length)
  expect(readText(new Stamper('00c0ffef', 0, 0, 60).stamp(1, 1))).toBe(false)
  expect(readText('[stream opened]')).toBe(false)
  expect(readText('')).toBe(false)
  expect(readText(`00c0ffee 0012 12345x7890 086400000123 ${'x'.repeat(62)}`)).toBe(false)
})

test('runs have names of eight characters', () => {
  expect(newRun(() => 0)).toBe('00000000')
  expect(newRun(() => 0.999_999)).toMatch(/^[0-9a-f]{8}$/)
})
