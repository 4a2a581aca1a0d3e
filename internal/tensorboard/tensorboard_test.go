package tensorboard_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/joule-ebm/joule/internal/tensorboard"
)

func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	start := time.Unix(1_700_000_000, 0)
	file, err := os.Create(filepath.Join(dir, tensorboard.FileName(start)))
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	w, err := tensorboard.NewWriter(file, start, 0)
	if err != nil {
		log.Fatal(err)
	}
	if err := w.Scalar(1, start.Add(time.Second), map[string]float64{"energy/data": -0.25, "energy/samples": 0.5}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(filepath.Base(file.Name()))
	// Output: events.out.tfevents.1700000000.000000000
}

var update = flag.Bool("update", false, "write the golden files")

// The golden files were read back by both EventAccumulators of the Python package tensorboard 2.21.0: from first alone, loss at
// steps 1 and 2, norm at step 2 and the image; with second beside it, loss at step 1 from first, 2 and 300 from second.
const (
	first  = "testdata/events.out.tfevents.1700000000.000000000"
	second = "testdata/events.out.tfevents.1700000100.500000000"
)

func TestGolden(t *testing.T) {
	start := time.Unix(1_700_000_000, 0)
	resumed := start.Add(100*time.Second + time.Second/2)
	for path, write := range map[string]func(*bytes.Buffer) error{
		first: func(b *bytes.Buffer) error {
			w, err := tensorboard.NewWriter(b, start, 0)
			return errors.Join(err,
				w.Scalar(1, start.Add(time.Second), map[string]float64{"loss": 0.75}),
				w.Scalar(2, start.Add(2*time.Second), map[string]float64{"norm": 1e10, "loss": math.Inf(1)}),
				w.Image(2, start.Add(3*time.Second), "samples/grid", smallPNG(t), 3, 2, 1))
		},
		second: func(b *bytes.Buffer) error {
			w, err := tensorboard.NewWriter(b, resumed, 2)
			return errors.Join(err, w.Scalar(2, resumed, map[string]float64{"loss": 0.5}), w.Scalar(300, resumed, map[string]float64{"loss": 0.25}))
		},
	} {
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("wrote\n%q, want\n%q", got.Bytes(), want)
		}
	}
	if name := tensorboard.FileName(resumed); name != filepath.Base(second) {
		t.Errorf("file name %s, want %s", name, second)
	}
}

// smallPNG has 3 by 2 grey pixels. It is recorded too: its bytes may change with Go's encoder.
func smallPNG(t *testing.T) []byte {
	t.Helper()
	const path = "testdata/grey.png"
	if *update {
		img := image.NewGray(image.Rect(0, 0, 3, 2))
		img.SetGray(2, 1, color.Gray{200})
		var b bytes.Buffer
		if err := errors.Join(png.Encode(&b, img), os.WriteFile(path, b.Bytes(), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestScalarOrderIsFixed(t *testing.T) {
	values := map[string]float64{}
	for i := range 20 {
		values[fmt.Sprint("name", i)] = float64(i)
	}
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		w, err := tensorboard.NewWriter(b, time.Unix(0, 0), 0)
		if err := errors.Join(err, w.Scalar(1, time.Unix(0, 0), values)); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same values gave different bytes")
	}
}

func TestFileNamesSortByTime(t *testing.T) {
	var names []string
	for _, start := range []time.Time{time.Unix(9, 0), time.Unix(10, 5), time.Unix(10, 10), time.Unix(1_700_000_000, 0)} {
		names = append(names, tensorboard.FileName(start))
	}
	if !slices.IsSorted(names) || len(slices.Compact(names)) != 4 {
		t.Errorf("file names %v are not in the order of time", names)
	}
}

type full struct{}

var errFull = errors.New("full")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestWriteErrors(t *testing.T) {
	w, err := tensorboard.NewWriter(full{}, time.Now(), 0)
	if !errors.Is(err, errFull) {
		t.Errorf("new writer: %v", err)
	}
	if err := w.Scalar(1, time.Now(), nil); !errors.Is(err, errFull) {
		t.Errorf("scalar: %v", err)
	}
	if err := w.Image(1, time.Now(), "", nil, 0, 0, 0); !errors.Is(err, errFull) {
		t.Errorf("image: %v", err)
	}
}
