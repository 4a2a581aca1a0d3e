// A stream: pictures are judged as they arrive in a folder, whatever becomes of this program in between, until they drift.
//
//	go run ./cmd/joule train -o runs/mnist
//	go run ./examples/stream runs/mnist camera/    and again after Ctrl-C or a kill: it goes on where it was
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/joule-ebm/joule/detect"
	"github.com/joule-ebm/joule/detect/stream"
	"github.com/joule-ebm/joule/engine/cpu"
	"github.com/joule-ebm/joule/model"
)

func main() {
	follow := flag.Bool("follow", true, "wait for more pictures until Ctrl-C")
	output := flag.String("out", "judged.ndjson", "`file` of a line of JSON for each picture")
	flag.Parse()
	if flag.NArg() != 2 {
		log.Fatal("name a model and a folder: go run ./examples/stream runs/mnist camera/")
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	m, err := model.Open(flag.Arg(0))
	check(err)
	judge, err := detect.NewJudge(&cpu.Engine{}, m, detect.Default, detect.Rule{FalseAlarms: 0.01})
	check(err)
	s, err := stream.Open(judge, stream.Folder{Path: flag.Arg(1), Follow: *follow}, stream.Options{Output: *output, State: *output + ".state"})
	check(err)
	for line, err := range s.Lines(ctx) {
		if errors.Is(err, context.Canceled) {
			break
		}
		check(err)
		switch {
		case line.Result == nil:
			log.Println(line.Error)
		case *line.OutOfDistribution:
			fmt.Printf("%d, %s: out of distribution, p = %.3g\n", line.N, line.Image, *line.P)
		}
		if line.Result != nil && line.Alarm {
			fmt.Println("the images have drifted: p-values can no longer be relied on")
			break
		}
	}
	check(s.Close()) // which saves how far it is
	r := s.Report()
	fmt.Printf("%d images judged, %d out of distribution, %d could not be read\n", r.Images, r.OutOfDistribution, r.Failed)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
