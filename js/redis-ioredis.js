// @ts-check
'use strict'

// Where the clients and options of ioredis 5 and 6 lead.

const { wrongRedis } = require('./errors.js')
const { SENTINEL_PORT, address, addresses, database, keyPrefix, login, written } = require('./redis-target.js')
const { tls } = require('./redis-tls.js')
const { fromUrl } = require('./redis-url.js')

/** ioredis clients tell their state in a word, and keep their options. */
function isIoredis(client) {
  return typeof client.status === 'string' && typeof client.options === 'object' && client.options !== null
}

function fromIoredis(client) {
  return client.isCluster ? fromCluster(client.startupNodes, client.options) : fromIoredisOptions(client.options)
}

/** The target of ioredis options. `natMap`, `family` and `role` are not heeded: we need the master, where Sentinels say it is. */
function fromIoredisOptions(options) {
  if (options.Connector != null) {
    throw wrongRedis(
      '`redis` has a `Connector` of its own, so that there is no telling where it leads; pass a URL or options',
    )
  }
  return written({
    ...placeOf(options),
    ...login(options.username, options.password),
    database: database(options.db),
    // With Sentinels, ioredis uses TLS to the master only where it is told so.
    tls: options.sentinels && !options.enableTLSForSentinelMode ? undefined : tls(options.tls),
    keyPrefix: keyPrefix(options.keyPrefix),
  })
}

function placeOf(options) {
  if (options.sentinels) return { sentinel: sentinelsOf(options) }
  if (options.path) return { unix: options.path }
  return { tcp: address(options.host, options.port) }
}

function sentinelsOf(options) {
  if (!options.name) throw wrongRedis('`redis` has `sentinels` without the `name` of their master')
  const { username, password } = login(options.sentinelUsername, options.sentinelPassword)
  return written({
    nodes: addresses(options.sentinels, ({ host, port }) => address(host, port || undefined, SENTINEL_PORT)),
    master: options.name,
    username,
    password,
    tls: tls(options.sentinelTLS),
  })
}

function fromCluster(startupNodes, options) {
  const nodes = addresses(startupNodes, nodeOf)
  const [first] = nodes
  const shared = options.redisOptions ?? {}
  return written({
    cluster: nodes.map(({ host, port }) => address(host, port || undefined)),
    ...login(shared.username ?? first.username, shared.password ?? first.password),
    tls: tls(shared.tls ?? first.tls),
    keyPrefix: keyPrefix(options.keyPrefix),
  })
}

/** A startup node: its options, its port on this machine, or its URL, in which the scheme can be left out. */
function nodeOf(node) {
  if (typeof node === 'number') return { host: undefined, port: node }
  if (typeof node !== 'string') return node
  const { tcp, username, password } = fromUrl(/^rediss?:\/\//i.test(node) ? node : `redis://${node}`)
  return { ...tcp, username, password }
}

module.exports = { isIoredis, fromIoredis, fromIoredisOptions }
