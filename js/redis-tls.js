// @ts-check
'use strict'

// The options of Node's `tls.connect`, as both client libraries take them, for a connection of our own.

const { wrongRedis } = require('./errors.js')
const { written } = require('./redis-target.js')

/** What only Node's own TLS can use. */
const NODE_ONLY = ['pfx', 'secureContext']

/** A host that is nobody's, and a certificate for nothing. */
const NOBODY = ['nobody.invalid', { subject: {}, subjectaltname: '' }]

/**
 * How a connection is encrypted, undefined for a plain one.
 *
 * @param {any} options `true` for the defaults
 */
function tls(options) {
  if (!options) return undefined
  if (options === true) return tls({})
  if (typeof options === 'string') {
    throw wrongRedis('`redis` has `tls` by the name of a profile of ioredis; pass the client, or options with `ca`')
  }
  for (const name of NODE_ONLY) {
    if (options[name] != null) {
      throw wrongRedis(
        `\`redis\` has \`tls.${name}\`, which only Node can use; give \`ca\`, \`cert\` and \`key\` in PEM`,
      )
    }
  }
  return written({
    ca: pem(options.ca),
    cert: pem(options.cert),
    key: key(options.key, options.passphrase),
    serverName: options.servername || undefined,
    check: check(options),
  })
}

/** Texts, bytes, or a list of them. */
function pem(value) {
  if (value == null) return undefined
  const parts = Array.isArray(value) ? value : [value]
  return parts.map((part) => (typeof part === 'string' ? part : Buffer.from(part).toString())).join('\n') || undefined
}

/** The native side takes no passphrase. */
function key(value, passphrase) {
  const [given, ...more] = Array.isArray(value) ? value : [value]
  if (more.length > 0)
    throw wrongRedis('`redis` has several keys in `tls.key`; give the one that belongs to `tls.cert`')
  const [text, itsOwn] = given?.pem ? [pem(given.pem), given.passphrase] : [pem(given), undefined]
  if (text === undefined || (itsOwn ?? passphrase) == null) return text
  // Loaded here: few have such a key, and all wait for what is loaded at the start.
  const { createPrivateKey } = require('node:crypto')
  try {
    const opened = createPrivateKey({ key: text, passphrase: itsOwn ?? passphrase })
    return opened.export({ type: 'pkcs8', format: 'pem' }).toString()
  } catch {
    throw wrongRedis('`redis` has a `tls.key` that its `tls.passphrase` does not open')
  }
}

/** How much of the server's certificate the caller's client checks. */
function check(options) {
  const strict =
    'rejectUnauthorized' in options
      ? options.rejectUnauthorized !== false
      : process.env.NODE_TLS_REJECT_UNAUTHORIZED !== '0'
  if (!strict) return 'nothing'
  return typeof options.checkServerIdentity === 'function' && takesAnybody(options.checkServerIdentity)
    ? 'anyName'
    : 'full'
}

/**
 * Whether a function of the caller's takes any certificate. One that does not cannot be carried over, and is no reason to check less:
 * the name is checked as Node would without it.
 */
function takesAnybody(checkServerIdentity) {
  try {
    return checkServerIdentity(...NOBODY) === undefined
  } catch {
    return false
  }
}

module.exports = { tls }
