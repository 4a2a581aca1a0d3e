package dataset

// Parquet files of tables (hub.go).

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

const (
	parquetMagic = "PAR1"
	maxParquet   = 1<<31 - 1 // bytes of a file in an archive
)

var findParquet = findHub("Parquet", func(f files.File) bool { return strings.HasPrefix(string(f.Head), parquetMagic) }, openParquet)

// openParquet opens a file for as long as fn takes. A fault of the decoder costs the file, not the run.
func openParquet(ctx context.Context, t files.Tree, name string, fn func(hubTable) error) (err error) {
	r, err := files.OpenAt(ctx, t, name, maxParquet)
	if err != nil {
		return err
	}
	defer r.Close()
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("damaged Parquet file: %v", fault)
		}
	}()
	file, err := parquet.OpenFile(r, r.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("damaged Parquet file, fetch it again: %w", err)
	}
	return fn(parquetTable{file})
}

type parquetTable struct{ file *parquet.File }

func (p parquetTable) metadata() string {
	text, _ := p.file.Lookup("huggingface")
	return text
}

func (parquetTable) warning() string { return "" } // without its end it cannot be read

func (p parquetTable) rows(context.Context) (int64, error) { return p.file.NumRows(), nil }

func (p parquetTable) columns() (some []hubColumn, all []string) {
	for _, path := range p.file.Schema().Columns() {
		all = append(all, strings.Join(path, "."))
		leaf, ok := p.file.Schema().Lookup(path...)
		if !ok || leaf.MaxRepetitionLevel > 0 || !leaf.Node.Leaf() {
			continue
		}
		switch kind := leaf.Node.Type().Kind(); kind {
		case parquet.ByteArray, parquet.Int32, parquet.Int64:
			some = append(some, hubColumn{path, leaf.ColumnIndex, kind != parquet.ByteArray})
		}
	}
	return some, all
}

func (p parquetTable) labels(_ context.Context, column int, fn func(label int64) error) error {
	for _, group := range p.file.RowGroups() {
		values := columnValues{pages: group.ColumnChunks()[column].Pages()}
		defer values.close()
		for range group.NumRows() {
			v, err := values.next()
			if err != nil {
				return err
			}
			if err := fn(labelValue(v)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p parquetTable) pictures(ctx context.Context, column, label int, fn func(row int, picture []byte, label int64) error) error {
	row := 0
	for _, group := range p.file.RowGroups() {
		images := columnValues{pages: group.ColumnChunks()[column].Pages()}
		defer images.close()
		var labels columnValues
		if label >= 0 {
			labels.pages = group.ColumnChunks()[label].Pages()
			defer labels.close()
		}
		for range group.NumRows() {
			if err := ctx.Err(); err != nil {
				return err
			}
			image, err := images.next()
			if err != nil {
				return err
			}
			number := int64(noLabel)
			if label >= 0 {
				v, err := labels.next()
				if err != nil {
					return err
				}
				number = labelValue(v)
			}
			var picture []byte
			if !image.IsNull() {
				picture = image.ByteArray()
			}
			if err := fn(row, picture, number); err != nil {
				return err
			}
			row++
		}
	}
	return nil
}

func labelValue(v parquet.Value) int64 {
	switch {
	case v.IsNull():
		return noLabel
	case v.Kind() == parquet.Int32:
		return int64(v.Int32())
	}
	return v.Int64()
}

// columnValues reads the values of a column, which has one a row.
type columnValues struct {
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buffer [1]parquet.Value
}

func (c *columnValues) close() {
	c.release()
	c.pages.Close()
}

func (c *columnValues) release() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
}

func (c *columnValues) next() (parquet.Value, error) {
	for {
		if c.page == nil {
			page, err := c.pages.ReadPage()
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			if err != nil {
				return parquet.Value{}, fmt.Errorf("damaged Parquet file, fetch it again: %w", err)
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buffer[:])
		if n == 1 {
			return c.buffer[0], nil
		}
		if err != nil && err != io.EOF {
			return parquet.Value{}, fmt.Errorf("damaged Parquet file, fetch it again: %w", err)
		}
		c.release()
	}
}
