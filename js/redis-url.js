// @ts-check
'use strict'

// URLs of a Redis: redis://user:password@host:port/database, rediss:// with TLS, unix:///path?db=1.

const { wrongRedis } = require('./errors.js')
const { address, database, keyPrefix, login, written } = require('./redis-target.js')
const { tls } = require('./redis-tls.js')

const SCHEMES = ['redis:', 'rediss:', 'redis+unix:', 'rediss+unix:', 'unix:']

/** `unix://user:password@/path?query`: a URL to us, but not to the URL parser, which wants a host behind the user. */
const UNIX = /^[a-z+]+:\/\/(?:([^:@/]*)(?::([^@/]*))?@)?(\/[^?#]*)(?:\?([^#]*))?/i

/** @param {unknown} value */
function isUrl(value) {
  return typeof value === 'string' && SCHEMES.some((scheme) => value.toLowerCase().startsWith(`${scheme}//`))
}

/**
 * The target of a URL.
 *
 * @param {string} url
 * @param {string} name of the URL, for messages; its text may hold a password
 */
function fromUrl(url, name = '`redis`') {
  try {
    const scheme = url.slice(0, url.indexOf(':')).toLowerCase()
    return scheme.endsWith('unix') ? fromUnix(url) : fromTcp(new URL(url), scheme)
  } catch (error) {
    if (error.code === 'ERR_ARGUMENT') throw error
    throw wrongRedis(
      `${name} must be a URL such as redis://user:password@host:6379/0; it cannot be read (the value is not shown)`,
    )
  }
}

function fromTcp({ hostname, port, username, password, pathname, searchParams }, scheme) {
  return written({
    // An IPv6 address stands in brackets.
    tcp: address(hostname.replace(/^\[(.*)\]$/, '$1'), port || undefined),
    ...loginOf(username, password, searchParams),
    database: database(pathname.slice(1) || searchParams.get('db') || 0),
    tls: tls(scheme === 'rediss'),
    keyPrefix: keyPrefix(searchParams.get('keyPrefix')),
  })
}

/** TLS is left out: nobody listens between this process and a socket of its machine. */
function fromUnix(url) {
  const match = UNIX.exec(url)
  if (match === null) throw new Error('no path')
  const [, username = '', password = '', path, query] = match
  const searchParams = new URLSearchParams(query)
  return written({
    unix: decodeURIComponent(path),
    ...loginOf(username, password, searchParams),
    database: database(searchParams.get('db') || 0),
    keyPrefix: keyPrefix(searchParams.get('keyPrefix')),
  })
}

/** User and password before the host, or in the query, where some libraries write them for sockets. */
function loginOf(username, password, query) {
  return login(
    decodeURIComponent(username) || query.get('username') || query.get('user'),
    decodeURIComponent(password) || query.get('password') || query.get('pass'),
  )
}

module.exports = { SCHEMES, isUrl, fromUrl }
