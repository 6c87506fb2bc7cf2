// @ts-check
'use strict'

// Where the clients and options of node-redis (`redis`) 4, 5 and 6 lead.

const { wrongRedis } = require('./errors.js')
const { boundArguments, duplicatedOptions, privateField } = require('./private-options.js')
const { SENTINEL_PORT, address, addresses, database, keyPrefix, login, written } = require('./redis-target.js')
const { tls } = require('./redis-tls.js')
const { fromUrl } = require('./redis-url.js')

/** Names of options of which node-redis takes at least one. */
const OPTIONS = ['url', 'socket', 'database', 'rootNodes', 'sentinelRootNodes']

/** All clients of node-redis tell whether they are open. */
function isNodeRedis(client) {
  return 'isOpen' in client
}

function isNodeRedisOptions(options) {
  return OPTIONS.some((name) => name in options)
}

function fromNodeRedis(client) {
  const options = optionsOf(client)
  if (typeof options !== 'object' || options === null) {
    throw wrongRedis(
      '`redis` is a node-redis client whose options cannot be read; pass the options that it was made with, or a URL',
    )
  }
  return fromNodeRedisOptions(options)
}

/** The options that a client was made with. Only single clients show them. */
function optionsOf(client) {
  if (typeof client.getSentinelNode === 'function') return privateField(client._self, '#options')
  if ('totalClients' in client) return optionsOfPool(client._self)
  if ('nodeByAddress' in client || 'masters' in client) return client._options ?? duplicatedOptions(client)
  return client.options ?? {}
}

/** A pool has a function that makes its clients, with their options bound to it, and puts the key prefix before keys itself. */
function optionsOfPool(pool) {
  const [options] = boundArguments(privateField(pool, '#clientFactory')) ?? [null]
  return options === null ? null : { ...options, keyPrefix: pool._keyPrefix }
}

/** The target of options of a client, a cluster or Sentinels. `nodeAddressMap` is not heeded. */
function fromNodeRedisOptions(options) {
  if (options.sentinelRootNodes) return fromSentinels(options)
  if (options.rootNodes) return fromCluster(options)
  const { tcp, unix, ...rest } = clientOf(options)
  return written({ tcp, unix, ...rest, keyPrefix: keyPrefix(options.keyPrefix) })
}

/** Where one client leads. What its URL says goes before its other options. */
function clientOf(options) {
  const socket = options.socket ?? {}
  const url = options.url ? fromUrl(options.url, '`redis.url`') : {}
  return {
    ...(url.tcp || url.unix ? { tcp: url.tcp, unix: url.unix } : placeOf(socket)),
    ...loginOf(url.username ?? options.username, url.password ?? options.password, options.credentialsProvider),
    database: url.database ?? database(options.database),
    tls: tls((url.tls || socket.tls) && socket),
  }
}

function placeOf(socket) {
  return socket.path ? { unix: socket.path } : { tcp: address(socket.host, socket.port) }
}

/** node-redis makes a provider of every password as well; only one without a password is the caller's own. */
function loginOf(username, password, provider) {
  const isOwn = provider && (provider.type !== 'async-credentials-provider' || (!username && !password))
  if (isOwn) {
    throw wrongRedis(
      '`redis` has a `credentialsProvider`, which cannot be carried over to a connection of our own; pass a client, a URL or options ' +
        'with the password itself',
    )
  }
  return login(username, password)
}

function fromCluster({ rootNodes, defaults = {}, keyPrefix: prefix }) {
  const shared = clientOf(defaults)
  const nodes = addresses(rootNodes, clientOf)
  const [first] = nodes
  return written({
    cluster: nodes.map(({ tcp }) => tcp),
    ...(shared.username || shared.password ? pick(shared) : pick(first)),
    tls: shared.tls ?? first.tls,
    keyPrefix: keyPrefix(prefix),
  })
}

function fromSentinels(options) {
  const { name, sentinelRootNodes, nodeClientOptions = {}, sentinelClientOptions = {} } = options
  const master = clientOf(nodeClientOptions)
  const sentinel = clientOf(sentinelClientOptions)
  return written({
    sentinel: written({
      nodes: addresses(sentinelRootNodes, ({ host, port }) => address(host, port, SENTINEL_PORT)),
      master: name,
      ...pick(sentinel),
      tls: sentinel.tls,
    }),
    ...pick(master),
    database: master.database,
    tls: master.tls,
    keyPrefix: keyPrefix(options.keyPrefix ?? nodeClientOptions.keyPrefix),
  })
}

function pick({ username, password }) {
  return { username, password }
}

module.exports = { isNodeRedis, isNodeRedisOptions, fromNodeRedis, fromNodeRedisOptions }
