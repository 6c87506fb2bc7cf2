// @ts-check
'use strict'

// Reads options that a client keeps to itself. The clusters, pools and Sentinel clients of node-redis do not show where they lead;
// whoever has one would have to tell us again, against the promise that a client is enough.

const { wrongRedis } = require('./errors.js')

/** Under this name an object waits for the inspector to pick it up. */
const TABLE = 'openai-request-manager.inspected'

/** A value of a `#private` field, undefined where there is none. */
function privateField(object, name) {
  return inspected(object, 'privateProperties', name)
}

/** The arguments that were bound to a function. */
function boundArguments(fn) {
  return fn && inspected(fn, 'internalProperties', '[[BoundArgs]]')
}

/**
 * What Node's inspector says of an object. A session within the process: no port is opened, no debugger is on, and nothing of the object
 * runs. It takes about 3 ms, once for each client.
 */
function inspected(object, kind, name) {
  const { inspector, session } = openSession()
  const table = { object, value: undefined }
  const post = (method, parameters) => {
    let answer
    session.post(method, parameters, (error, result) => {
      if (error) throw error
      answer = result
    })
    return answer
  }
  const callOn = (objectId, functionDeclaration, ...values) =>
    post('Runtime.callFunctionOn', { objectId, functionDeclaration, arguments: values }).result.objectId
  inspector[Symbol.for(TABLE)] = table
  try {
    // The module is the one thing that both sides can name, also where this code runs in a context of its own, as in Jest.
    const expression = `require('node:inspector')[Symbol.for('${TABLE}')]`
    const tableId = post('Runtime.evaluate', { expression, includeCommandLineAPI: true }).result.objectId
    const objectId = callOn(tableId, 'function () { return this.object }')
    const found = post('Runtime.getProperties', { objectId, ownProperties: true })[kind]?.find(
      (field) => field.name === name,
    )
    if (found?.value?.objectId) {
      callOn(tableId, 'function (value) { this.value = value }', { objectId: found.value.objectId })
    }
    return table.value
  } finally {
    delete inspector[Symbol.for(TABLE)]
    session.disconnect()
  }
}

function openSession() {
  try {
    /** @type {any} */
    const inspector = require('node:inspector')
    const session = new inspector.Session()
    session.connect()
    return { inspector, session }
  } catch {
    throw wrongRedis(
      '`redis` is a client whose options cannot be read in this Node; pass the options that it was made with, or a URL',
    )
  }
}

/**
 * The options of a client that can be duplicated: it hands them to its class. For the length of that call we are its class, so that no
 * second client comes to be.
 */
function duplicatedOptions(client) {
  if (typeof client.duplicate !== 'function') return undefined
  const prototype = Object.getPrototypeOf(client)
  const own = Object.getOwnPropertyDescriptor(prototype, 'constructor')
  let options
  class Listener {
    constructor(given) {
      options = given
    }
  }
  Object.defineProperty(prototype, 'constructor', { value: Listener, configurable: true, writable: true })
  try {
    client.duplicate()
  } finally {
    if (own) Object.defineProperty(prototype, 'constructor', own)
    else delete prototype.constructor
  }
  return options
}

module.exports = { privateField, boundArguments, duplicatedOptions }
