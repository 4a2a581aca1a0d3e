// The rendered data sets: a sheet of objects, one scene in every colour and shape, and a sheet of parts with their defects and masks.
//
//	go run ./examples/rendered -dir sheets
//
// writes rendered-objects.png and rendered-parts.png: with -dir docs, the pictures of docs/rendered.md.
package main

import (
	"context"
	"flag"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"log"
	"os"
	"path/filepath"

	"github.com/joule-ebm/joule/dataset/objects"
	"github.com/joule-ebm/joule/dataset/parts"
)

func main() {
	dir := flag.String("dir", ".", "directory to write the sheets to")
	flag.Parse()
	check(os.MkdirAll(*dir, 0o755))

	// The first 24 scenes of the data set at 64×64, and below them one scene in every shape and six of the colours.
	const side = 64
	pixels, scenes, err := objects.Draw(context.Background(), 0, 0, 24, side)
	check(err)
	var rows []image.Image
	for i := range scenes {
		rows = append(rows, rgb(pixels[i*side*side*3:][:side*side*3], side))
	}
	scene := objects.At(0, 7)
	for change := range 12 {
		changed, picture := scene, make([]uint8, side*side*3)
		if change < 6 {
			changed.Labels[objects.Shape] = change
		} else {
			changed.Labels[objects.Colour] = change - 6
		}
		changed.Draw(picture, side)
		rows = append(rows, rgb(picture, side))
	}
	check(write(filepath.Join(*dir, "rendered-objects.png"), sheet(rows, 12)))

	// Each kind of part: a good one, then one with each defect, and the masks of these below.
	rows = nil
	for kind := range parts.Kinds {
		list := parts.TrainingParts(kind)[:1]
		for defect := range parts.Defects {
			if defect != parts.Good {
				list = append(list, parts.FaultyParts([]int{kind}, []int{defect})[0])
			}
		}
		const side = 64
		pixels, masks, err := parts.Draw(context.Background(), list, side)
		check(err)
		var below []image.Image
		for i := range list {
			rows = append(rows, rgb(pixels[i*side*side*3:][:side*side*3], side))
			below = append(below, &image.Gray{Pix: masks[i*side*side:][:side*side], Stride: side, Rect: image.Rect(0, 0, side, side)})
		}
		rows = append(rows, below...)
	}
	check(write(filepath.Join(*dir, "rendered-parts.png"), sheet(rows, len(parts.Defects))))
	fmt.Println("rendered-objects.png and rendered-parts.png are in", *dir)
}

// rgb is a picture of side·side·3 bytes as the image package knows one.
func rgb(pixels []uint8, side int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for i := range side * side {
		copy(img.Pix[4*i:], pixels[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	return img
}

// sheet lays out pictures of one size in columns, a pixel apart.
func sheet(pictures []image.Image, columns int) image.Image {
	side := pictures[0].Bounds().Dx() + 1
	all := image.NewRGBA(image.Rect(0, 0, columns*side-1, (len(pictures)+columns-1)/columns*side-1))
	draw.Draw(all, all.Rect, image.White, image.Point{}, draw.Src)
	for i, picture := range pictures {
		at := image.Pt(i%columns*side, i/columns*side)
		draw.Draw(all, picture.Bounds().Add(at), picture, image.Point{}, draw.Src)
	}
	return all
}

func write(path string, img image.Image) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(f, img); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
