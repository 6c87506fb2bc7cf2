// @ts-check
'use strict'

// The parts of a target, in the JSON that src/config/redis_target reads. What is left out there is undefined here.

const { wrongRedis } = require('./errors.js')

const REDIS_PORT = 6379
const SENTINEL_PORT = 26379

/** Host and port, with the defaults that both client libraries have. */
function address(host, port, defaultPort = REDIS_PORT) {
  const number = Number(port ?? defaultPort)
  if (!Number.isInteger(number) || number < 1 || number > 65_535) {
    throw wrongRedis(`\`redis\` has a port that is no port${shown(port)}`)
  }
  if (host != null && typeof host !== 'string') throw wrongRedis('`redis` has a host that is no string')
  return { host: host || 'localhost', port: number }
}

/** User and password. The libraries take an empty one for none. */
function login(username, password) {
  if (typeof password === 'function') {
    throw wrongRedis(
      '`redis` has a password that is a function, which cannot be carried over to a connection of our own; pass a client, a URL or ' +
        'options with the password itself',
    )
  }
  return { username: text('user name', username), password: text('password', password) }
}

/** A database's number; the first one is not written. */
function database(number) {
  const index = Number(number ?? 0)
  if (!Number.isInteger(index) || index < 0) {
    throw wrongRedis(`\`redis\` has a database that is no number from 0 up${shown(number)}`)
  }
  return index === 0 ? undefined : index
}

/** Texts are not shown: where a URL's password has a slash, a part of it is read as something else. */
function shown(value) {
  return typeof value === 'number' ? `: ${value}` : ''
}

/** What goes before every key; node-redis takes bytes as well. */
function keyPrefix(prefix) {
  return text('key prefix', prefix instanceof Uint8Array ? Buffer.from(prefix).toString() : prefix)
}

/** The value is not shown: it can be the password. */
function text(name, value) {
  if (value == null || value === '') return undefined
  if (typeof value !== 'string' && typeof value !== 'number') {
    throw wrongRedis(
      `\`redis\` has a ${name} that is no string but ${Array.isArray(value) ? 'an array' : `a ${typeof value}`}`,
    )
  }
  return String(value)
}

/** Several addresses, at least one. */
function addresses(list, readOne) {
  if (!Array.isArray(list) || list.length === 0) throw wrongRedis('`redis` names no server: its list of nodes is empty')
  return list.map(readOne)
}

/** An object without the fields that are undefined. */
function written(fields) {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

module.exports = { SENTINEL_PORT, address, addresses, login, database, keyPrefix, written }
