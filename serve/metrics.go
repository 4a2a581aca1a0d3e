package serve

// This file counts, for Prometheus.

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/joule-ebm/joule/detect/drift"
)

type metrics struct {
	registry   *prometheus.Registry
	requests   *prometheus.CounterVec   // by route and code
	seconds    *prometheus.HistogramVec // by route
	working    prometheus.Gauge
	refused    prometheus.Counter
	batches    *prometheus.HistogramVec // images, by model
	judging    *prometheus.CounterVec   // seconds, by model
	outs       *prometheus.CounterVec   // by model
	reloads    *prometheus.CounterVec   // by model and result
	iterations *prometheus.GaugeVec
	calibrated *prometheus.GaugeVec
	drift      *prometheus.GaugeVec
	alarm      *prometheus.GaugeVec
	uniformity *prometheus.GaugeVec

	mu       sync.Mutex
	watching map[string]*drift.Detector // that of the model in use, by model
}

func newMetrics() *metrics {
	r := prometheus.NewRegistry()
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"model"})
		r.MustRegister(g)
		return g
	}
	histogram := func(name, help, label string, buckets []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{label})
		r.MustRegister(h)
		return h
	}
	m := &metrics{registry: r, watching: map[string]*drift.Detector{},
		requests: counter("joule_requests_total", "Requests answered.", "route", "code"),
		seconds: histogram("joule_request_seconds", "Time from a request's header to the end of its answer.", "route",
			[]float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}),
		working:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "joule_requests_working", Help: "Requests being read or worked on."}),
		refused:    prometheus.NewCounter(prometheus.CounterOpts{Name: "joule_requests_refused_total", Help: "Requests refused since too many were at work."}),
		batches:    histogram("joule_batch_images", "Images judged together.", "model", []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 1024}),
		judging:    counter("joule_judging_seconds_total", "Time in which images were judged.", "model"),
		outs:       counter("joule_out_of_distribution_total", "Images called out of distribution, at the rate of their request.", "model"),
		reloads:    counter("joule_reloads_total", "Times that a model was read again.", "model", "result"),
		iterations: gauge("joule_model_iterations", "Iterations of training of the model in use."),
		calibrated: gauge("joule_model_calibrated", "1 if the model in use gives p-values."),
		drift:      gauge("joule_drift_ratio", "Evidence that images are no longer like the calibration images; an alarm is raised at 1."),
		alarm:      gauge("joule_drift_alarm", "1 once the alarm has been raised, until the model is read again."),
		uniformity: gauge("joule_drift_uniformity_p", "p-value of a Kolmogorov-Smirnov test of the latest ranks."),
	}
	r.MustRegister(m.working, m.refused, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// loaded is called before anybody uses the model. Its drift begins anew: there is none without a calibration.
func (m *metrics) loaded(model string, iterations int64, d *drift.Detector) {
	m.outs.WithLabelValues(model) // so that there is a 0 to show before the first
	m.iterations.WithLabelValues(model).Set(float64(iterations))
	m.calibrated.WithLabelValues(model).Set(map[bool]float64{true: 1}[d != nil])
	m.mu.Lock()
	m.watching[model] = d
	m.mu.Unlock()
	if d != nil {
		m.drifted(model, d)
		return
	}
	for _, gauge := range []*prometheus.GaugeVec{m.drift, m.alarm, m.uniformity} {
		gauge.DeleteLabelValues(model)
	}
}

func (m *metrics) reloaded(model string, err error) {
	m.reloads.WithLabelValues(model, map[bool]string{true: "done", false: "failed"}[err == nil]).Inc()
}

func (m *metrics) batch(model string, images int, took time.Duration) {
	m.batches.WithLabelValues(model).Observe(float64(images))
	m.judging.WithLabelValues(model).Add(took.Seconds())
}

// drifted is called by the one who uses the detector. That of a model that has been read again, and still answers requests, says no more.
func (m *metrics) drifted(model string, d *drift.Detector) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.watching[model] != d {
		return
	}
	m.drift.WithLabelValues(model).Set(d.Statistic() / falseDriftAlarms)
	m.alarm.WithLabelValues(model).Set(map[bool]float64{true: 1}[d.State().Alarm != 0])
	_, p := d.Uniformity()
	m.uniformity.WithLabelValues(model).Set(p)
}

// count counts requests and their time. The route is the pattern that was matched, so that no client can make up routes.
func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.working.Inc()
		defer m.working.Dec()
		begun, answer := time.Now(), &answered{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(answer, r)
		m.requests.WithLabelValues(answer.route, strconv.Itoa(answer.status)).Inc()
		m.seconds.WithLabelValues(answer.route).Observe(time.Since(begun).Seconds())
	})
}

// answered remembers the status of an answer, and what answered.
type answered struct {
	http.ResponseWriter
	route  string
	status int
	wrote  bool
}

func (a *answered) WriteHeader(status int) {
	if !a.wrote {
		a.status, a.wrote = status, true
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answered) Unwrap() http.ResponseWriter { return a.ResponseWriter }
