'use strict'

// What an application that uses OpenTelemetry registers, with everything kept in memory.

const { context, metrics, trace } = require('@opentelemetry/api')
const { AsyncLocalStorageContextManager } = require('@opentelemetry/context-async-hooks')
const {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} = require('@opentelemetry/sdk-metrics')
const { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } = require('@opentelemetry/sdk-trace-base')

/**
 * Registers providers until the test ends.
 *
 * @param {import('node:test').TestContext} t
 * @param {object} [settings] of the tracer provider
 * @param {object[]} [processors] of spans, before our own
 */
function registered(t, settings = {}, processors = []) {
  const spans = new InMemorySpanExporter()
  const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter: measured })
  const meters = new MeterProvider({ readers: [reader] })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ ...settings, spanProcessors: [...processors, new SimpleSpanProcessor(spans)] }),
  )
  metrics.setGlobalMeterProvider(meters)
  t.after(async () => {
    context.disable()
    trace.disable()
    metrics.disable()
    await meters.shutdown()
  })
  return {
    tracer: trace.getTracer('of the application'),
    /** Those that have ended, in this order. */
    spans: () => spans.getFinishedSpans(),
    /** The spans of requests, and those of the attempts below each. */
    requests() {
      const ended = spans.getFinishedSpans()
      const ofRequest = ended.filter(({ name }) => !name.startsWith('attempt '))
      return ofRequest.map((span) => ({
        span,
        attempts: ended.filter((one) => one.parentSpanContext?.spanId === span.spanContext().spanId),
      }))
    },
    /** The data points of a metric so far. */
    async points(name) {
      await reader.forceFlush()
      const [{ metrics: all }] = measured.getMetrics().at(-1).scopeMetrics
      const metric = all.find(({ descriptor }) => descriptor.name === name)
      return { unit: metric?.descriptor.unit, points: metric?.dataPoints ?? [] }
    },
  }
}

/** A span's time in milliseconds. */
function milliseconds([seconds, nanoseconds]) {
  return seconds * 1000 + nanoseconds / 1e6
}

module.exports = { milliseconds, registered }
