import { describe, expect, it } from 'vitest'
import { isLinkUri } from './link-uri.js'

// Every line was put to Pushpin 1.41, in a Grip-Link.
describe('link URIs', () => {
  it.each([
    ...'/x x . .. # ? ?a:b #a:b x/y:z a:b x: http: http:x // ///x //h //:80 //u@ http:// http:///x'.split(' '),
    ...'http://h:/ http://h:0/ http://h:65535/ http://:80/ http://u@/ http://u:p@h:8/ http://@h/ http://[::1]'.split(
      ' ',
    ),
    ...'http://[::1]:80/ http://[v1.a]/ http://a_b/ http://_a/ http://a./ http://a%41/ http://h%2e/ http://1.2.3/'.split(
      ' ',
    ),
    ...'http://256.1.1.1/ http://h?x http://h/%zz http://h/<x> http://h/[x] /% % [ \\ file:///x mailto:x a+b:c'.split(
      ' ',
    ),
    ...'http://\xc3\xa9/ http://%c3%a9/ /\xe9'.split(' '),
  ])('takes %j', (uri) => {
    expect(isLinkUri(uri)).toBe(true)
  })

  it.each([
    ...'1a:b :x 1:2 a_b:c -:x http://h:65536/ http://h:abc/ http://h:-1/ http://h:8a/ http://h:80:80/'.split(' '),
    ...'http://::1/ http://[::1 http://[::1]x/ http://[x]/ http://[]/ http://a<b/ http://a|b/ http://-a/'.split(' '),
    ...'http://a-/ http://a-.b/ http://a..b/ http://.a/ http://./ http://a%20b/ http://%zz/ http://%2d/'.split(' '),
    ...'http://%e9/ http://\xe9/ http://a~b/ http://a[b/ http://a@b@c/ http://h%2f/'.split(' '),
    '',
    'a b:c',
    'http://a b/',
    'http://h: 80/',
    `http://${'a'.repeat(64)}/`,
  ])('refuses %j', (uri) => {
    expect(isLinkUri(uri)).toBe(false)
  })
})
