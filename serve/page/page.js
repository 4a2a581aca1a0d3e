"use strict"
// The page at /: it asks the server's own API, and nothing else.

const $ = id => document.getElementById(id)
let models = [], token = "", drawing = null, following = null

// Colours of heat, as of joule score --explain: black to white.
const heatColours = [[0, 0, 4], [66, 10, 104], [147, 38, 103], [221, 81, 58], [252, 165, 10], [252, 255, 164]]

// request asks the API; an answer that is an error becomes one.
async function request(path, options = {}) {
	const headers = { ...options.headers }
	if (token) headers.Authorization = "Bearer " + token
	const answer = await fetch(path, { ...options, headers })
	if (answer.ok) return answer
	const problem = await answer.json().catch(() => ({}))
	if (answer.status === 401) {
		$("login").hidden = false
		$("token").focus()
	}
	throw new Error(problem.error || "the server answered with status " + answer.status)
}

function say(element, text, problem = false) {
	element.textContent = text
	element.classList.toggle("problem", problem)
}

async function load() {
	try {
		models = (await (await request("/v1/models")).json()).models
	} catch (error) {
		say($("about"), error.message, true)
		return
	}
	$("login").hidden = true
	$("model").replaceChildren(...models.map(m => new Option(m.name)))
	$("rate").value = Math.log10(models[0].false_alarm)
	choose()
}

const model = () => models[$("model").selectedIndex]
const rate = () => 10 ** Number($("rate").value)

// choose shows what there is to know of the model.
function choose() {
	const m = model()
	say($("about"), `${m.name}: ${m.height ? `images of ${m.width}×${m.height}` : "pictures of any size, by tiles"}, trained on ${m.data}, ${m.iterations} iterations; ` +
		(m.calibrated ? `calibrated with ${m.calibration_images} images.` : "not calibrated, so there are energies, but no p-values and decisions (joule calibrate)."))
	$("deciding").hidden = !m.calibrated
	$("class").hidden = !m.classes
	$("label").replaceChildren(new Option("any", ""), ...(m.classes || []).map((name, i) => new Option(name, i)))
	$("results").replaceChildren()
	say($("status"), "")
	decide()
	follow()
}

// events reads a stream of server-sent events, and gives each to the handler of its name, until the server ends it.
async function events(path, options, handlers) {
	const answer = await request(path, options)
	const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader()
	for (let rest = ""; ;) {
		const { value, done } = await reader.read()
		if (done) return
		const whole = (rest + value).split("\n\n")
		rest = whole.pop()
		for (const event of whole) {
			const name = /^event: (.*)$/m.exec(event)?.[1], data = JSON.parse(/^data: (.*)$/m.exec(event)[1])
			if (name === "problem") throw new Error(data.error)
			handlers[name]?.(data)
		}
	}
}

// follow shows the curves and samples of a run while it trains. A stream that ends or breaks is asked for again.
async function follow() {
	following?.abort()
	const m = model(), mine = following = new AbortController()
	$("training").hidden = !m.training
	$("charts").replaceChildren()
	$("buffer").hidden = true
	$("pause").textContent = "Pause"
	say($("going"), "")
	while (m.training && !mine.signal.aborted) {
		try {
			await events(`/v1/models/${m.name}/training`, { signal: mine.signal }, { curves: showCurves, samples: showBuffer })
		} catch (error) {
			if (mine.signal.aborted) return
			say($("going"), error.message, true)
		}
		await new Promise(resolve => setTimeout(resolve, 3000))
	}
}

// The charts: title, then curves by their quantities.
const charts = [["Energy", { energy_data: "data", energy_samples: "samples" }], ["Loss", { loss_total: "total" }], ["Gradient norm", { gradient_norm: "" }],
	["How far chains move", { chain_moved: "" }]]

function showCurves(run) {
	if (!run.at) {
		say($("going"), "No iteration yet")
		return
	}
	const of = run.iterations ? ` of ${run.iterations}` : "", quiet = run.age > 120
	say($("going"), `Iteration ${run.iteration}${of}${quiet ? `; nothing new for ${Math.round(run.age / 60)} minutes` : ""}`)
	$("charts").replaceChildren(...charts.map(([title, names]) => chart(title, names, run)))
}

function showBuffer(samples) {
	$("buffer").src = "data:image/png;base64," + samples.png
	$("buffer").alt = samples.iteration ? `samples from the replay buffer after iteration ${samples.iteration}` : "samples from noise, in the end"
	$("buffer").hidden = false
}

// chart draws curves over the iterations; the second is dashed.
function chart(title, names, run) {
	const w = 320, h = 160, left = 56, bottom = 18, shown = Object.keys(names)
	const values = shown.flatMap(name => run.values[name]).filter(v => v !== null)
	const low = Math.min(...values), high = Math.max(...values), span = high - low || 1, last = run.at.at(-1)
	const x = at => left + (w - left - 4) * at / last, y = v => 4 + (h - bottom - 8) * (high - v) / span
	const element = (name, attributes, text) => {
		const e = document.createElementNS("http://www.w3.org/2000/svg", name)
		for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value)
		if (text !== undefined) e.textContent = text
		return e
	}
	const latest = shown.map(name => `${names[name] || title} ${run.values[name].at(-1)?.toPrecision(3) ?? "no number"}`).join(", ")
	const svg = element("svg", { viewBox: `0 0 ${w} ${h}`, role: "img", "aria-label": `${title} over ${last} iterations, now: ${latest}` })
	for (const name of shown) {
		let pen = "M"
		const d = run.values[name].map((v, i) => {
			if (v === null) {
				pen = "M"
				return ""
			}
			const step = `${pen}${x(run.at[i]).toFixed(1)} ${y(v).toFixed(1)}`
			pen = "L"
			return step
		}).join("")
		svg.append(element("path", { d }))
	}
	if (values.length) svg.append(element("text", { x: 2, y: 14 }, high.toPrecision(3)), element("text", { x: 2, y: h - bottom }, low.toPrecision(3)))
	svg.append(element("text", { x: w - 4, y: h - 4, "text-anchor": "end" }, last))
	const key = shown.length > 1 ? `${title}: ${names[shown[0]]} (line), ${names[shown[1]]} (dashed)` : title
	const f = figure(svg, key)
	f.className = "chart"
	return f
}

const query = more => "?" + new URLSearchParams(Object.entries({ label: $("label").value, ...more }).filter(([, v]) => v !== ""))

// judge explains pictures, one after the other.
async function judge(files) {
	const m = model()
	let done = 0
	for (const file of files) {
		say($("status"), `Judging ${file.name} (${done + 1} of ${files.length})`)
		const item = document.createElement("li")
		item.append(Object.assign(document.createElement("h3"), { textContent: file.name }))
		try {
			const answer = await request(`/v1/models/${m.name}/explain` + query({}), { method: "POST", body: file, headers: { "Content-Type": file.type || "application/octet-stream" } })
			if (m !== model()) return
			show(item, (await answer.json()).images[0])
			done++
		} catch (error) {
			item.append(Object.assign(document.createElement("p"), { textContent: error.message, className: "problem" }))
		}
		$("results").prepend(item)
	}
	say($("status"), `${done} of ${files.length} judged`)
	decide()
}

function show(item, answer) {
	item.dataset.p = answer.p ?? ""
	const energy = document.createElement("p")
	energy.textContent = `Energy ${answer.energy.toPrecision(5)}` + (answer.p === undefined ? "" : `, p-value ${answer.p.toPrecision(3)}`) +
		(answer.resized ? ", scaled to the model's size" : "")
	const verdict = Object.assign(document.createElement("p"), { className: "verdict" })
	const panels = Object.assign(document.createElement("div"), { className: "panels" })
	panels.append(figure(picture(answer.seen, "the picture as the model sees it"), "What the model sees"),
		figure(heat(answer), "Where the energy is high: bright"),
		figure(picture(answer.preferred, "what the model would rather see"), "What it would rather see"))
	const warnings = (answer.warnings ?? []).map(text => Object.assign(document.createElement("p"), { textContent: text, className: "problem" }))
	item.append(energy, verdict, ...warnings, panels)
}

function picture(png, alt) {
	return Object.assign(new Image(), { src: "data:image/png;base64," + png, alt })
}

function figure(content, caption) {
	const f = document.createElement("figure")
	f.append(content, Object.assign(document.createElement("figcaption"), { textContent: caption }))
	return f
}

// heat draws a heat map: white is six times what is typical.
function heat(answer) {
	const canvas = Object.assign(document.createElement("canvas"), { width: answer.width, height: answer.height })
	canvas.setAttribute("role", "img")
	const hottest = answer.heat.indexOf(Math.max(...answer.heat))
	canvas.setAttribute("aria-label", `heat map; hottest in row ${Math.floor(hottest / answer.width) + 1} of ${answer.height}, column ${hottest % answer.width + 1} of ${answer.width}`)
	const typical = answer.typical_heat || Math.sqrt(answer.heat.reduce((sum, v) => sum + v * v, 0) / answer.heat.length) || 1
	const context = canvas.getContext("2d"), pixels = context.createImageData(answer.width, answer.height)
	answer.heat.forEach((v, i) => {
		const at = Math.min(v / (6 * typical), 1) * (heatColours.length - 1), k = Math.min(Math.floor(at), heatColours.length - 2)
		for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = Math.round(heatColours[k][c] + (at - k) * (heatColours[k + 1][c] - heatColours[k][c]))
		pixels.data[4 * i + 3] = 255
	})
	context.putImageData(pixels, 0, 0)
	return canvas
}

// decide says of each picture what the rate makes of its p-value.
function decide() {
	const text = (100 * rate()).toPrecision(2) + " %"
	$("percent").value = text
	$("rate").setAttribute("aria-valuetext", text)
	for (const item of $("results").children) {
		const verdict = item.querySelector(".verdict")
		if (!verdict || item.dataset.p === "") continue
		const out = Number(item.dataset.p) <= rate()
		verdict.textContent = out ? "Out of distribution" : "In distribution"
		verdict.className = "verdict " + (out ? "out" : "in")
	}
}

// draw shows samples while their chains move.
async function draw() {
	drawing = new AbortController()
	$("start").disabled = true
	$("stop").disabled = false
	$("progress").hidden = false
	say($("drawing"), "Drawing")
	const m = model(), n = $("images").value
	try {
		let ended = false
		await events(`/v1/models/${m.name}/sample/stream` + query({ images: n, seed: $("seed").value }), { method: "POST", signal: drawing.signal }, {
			done: () => ended = true,
			frame: data => {
				$("samples").src = "data:image/png;base64," + data.png
				$("samples").alt = `${n} samples after ${data.step} of ${data.steps} steps`
				$("samples").hidden = false
				$("progress").value = data.step / data.steps
			},
		})
		if (!ended) throw new Error("the connection broke")
		say($("drawing"), `${n} samples drawn`)
	} catch (error) {
		say($("drawing"), error.name === "AbortError" ? "Stopped" : error.message, error.name !== "AbortError")
	}
	$("start").disabled = false
	$("stop").disabled = true
	$("progress").hidden = true
}

$("login").addEventListener("submit", event => {
	event.preventDefault()
	token = $("token").value
	load()
})
$("model").addEventListener("change", choose)
$("pause").addEventListener("click", () => {
	if (!following.signal.aborted) {
		following.abort()
		$("pause").textContent = "Go on"
	} else follow()
})
$("rate").addEventListener("input", decide)
$("file").addEventListener("change", event => judge([...event.target.files]))
for (const name of ["dragenter", "dragover"]) {
	$("drop").addEventListener(name, event => {
		event.preventDefault()
		$("drop").classList.add("over")
	})
}
for (const name of ["dragleave", "drop"]) $("drop").addEventListener(name, () => $("drop").classList.remove("over"))
$("drop").addEventListener("drop", event => {
	event.preventDefault()
	judge([...event.dataTransfer.files])
})
$("start").addEventListener("click", draw)
$("stop").addEventListener("click", () => drawing?.abort())
load()
