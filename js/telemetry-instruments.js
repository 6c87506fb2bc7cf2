// @ts-check
'use strict'

// The metrics of the conventions, with the buckets that these advise.

const { name, version } = require('../package.json')

const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
const TOKENS = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864]

/** Those of the provider that was registered when they were asked for last. */
let made

/**
 * @param {any} api
 */
function instrumentsOf(api) {
  const provider = api.metrics.getMeterProvider()
  if (made?.provider !== provider) made = { provider, ...make(provider.getMeter(name, version)) }
  return made
}

function make(meter) {
  const histogram = (metric, unit, description, explicitBucketBoundaries) =>
    meter.createHistogram(metric, { unit, description, advice: { explicitBucketBoundaries } })
  return {
    duration: histogram('gen_ai.client.operation.duration', 's', 'GenAI operation duration.', SECONDS),
    tokens: histogram('gen_ai.client.token.usage', '{token}', 'Number of input and output tokens used.', TOKENS),
    firstChunk: histogram(
      'gen_ai.client.operation.time_to_first_chunk',
      's',
      'Time to receive the first chunk of a stream.',
      SECONDS,
    ),
  }
}

/** The tracer of the provider that is registered now. */
function tracerOf(api) {
  return api.trace.getTracer(name, version)
}

module.exports = { instrumentsOf, tracerOf }
