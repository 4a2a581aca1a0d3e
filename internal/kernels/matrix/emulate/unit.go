package emulate

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/joule-ebm/joule/internal/kernels/matrix/amx"
)

// This file is the unit: the state of a thread's tiles, and what each instruction does to it.

const (
	tiles    = 8
	rowBytes = 64
	mostRows = 16
)

// memory is that of the traced program. Read and Write move a number of pieces that lie distance apart.
type memory interface {
	read(dst []byte, address uint64, distance int64, pieces int) error
	write(src []byte, address uint64, distance int64, pieces int) error
}

// unit is the state of one thread's tiles.
type unit struct {
	config [64]byte // palette 0: the initial state
	data   [tiles][mostRows * rowBytes]byte
}

func (u *unit) configured() bool { return u.config[0] != 0 }

// shape is rows and bytes a row.
func (u *unit) shape(t uint8) (rows, bytes int) {
	return int(u.config[48+t]), int(binary.LittleEndian.Uint16(u.config[16+2*int(t):]))
}

// use is an error for a tile that the configuration does not have: the processor would trap.
func (u *unit) use(ts ...uint8) error {
	for _, t := range ts {
		if rows, bytes := u.shape(t); rows == 0 || bytes == 0 {
			return fmt.Errorf("tile %d is not configured", t)
		}
	}
	return nil
}

// execute does one instruction whose memory operand is at address, its rows distance apart.
func (u *unit) execute(i amx.Instruction, m memory, address uint64, distance int64) error {
	rows, bytes := u.shape(i.Tile)
	switch i.Op {
	case amx.LoadConfig:
		var config [64]byte
		if err := m.read(config[:], address, 0, 1); err != nil {
			return err
		}
		return u.configure(config)
	case amx.StoreConfig:
		return m.write(u.config[:], address, 0, 1)
	case amx.Release:
		*u = unit{}
		return nil
	case amx.Zero:
		u.data[i.Tile] = [mostRows * rowBytes]byte{}
		return u.use(i.Tile)
	case amx.Load, amx.LoadT1:
		if err := u.use(i.Tile); err != nil {
			return err
		}
		packed := make([]byte, rows*bytes)
		if err := m.read(packed, address, distance, rows); err != nil {
			return err
		}
		u.data[i.Tile] = [mostRows * rowBytes]byte{}
		for r := range rows {
			copy(u.data[i.Tile][r*rowBytes:], packed[r*bytes:][:bytes])
		}
		return nil
	case amx.Store:
		if err := u.use(i.Tile); err != nil {
			return err
		}
		packed := make([]byte, 0, rows*bytes)
		for r := range rows {
			packed = append(packed, u.data[i.Tile][r*rowBytes:][:bytes]...)
		}
		return m.write(packed, address, distance, rows)
	case amx.DotBF16:
		return u.product(i)
	}
	return fmt.Errorf("%v is not emulated", i.Op)
}

func (u *unit) configure(config [64]byte) error {
	next := unit{config: config}
	for t := range uint8(tiles) {
		if rows, bytes := next.shape(t); rows > mostRows || bytes > rowBytes || (rows == 0) != (bytes == 0) {
			return fmt.Errorf("a configuration with tile %d of %d rows of %d bytes", t, rows, bytes)
		}
	}
	if config[0] > 1 || config[1] != 0 {
		return fmt.Errorf("a configuration of palette %d that starts in row %d", config[0], config[1])
	}
	if config[0] == 0 {
		next = unit{}
	}
	*u = next
	return nil
}

func (u *unit) product(i amx.Instruction) error {
	if err := u.use(i.Tile, i.A, i.B); err != nil {
		return err
	}
	rows, bytes := u.shape(i.Tile)
	aRows, aBytes := u.shape(i.A)
	bRows, bBytes := u.shape(i.B)
	if rows != aRows || bytes != bBytes || aBytes != 4*bRows || bytes%4 != 0 || i.Tile == i.A || i.Tile == i.B || i.A == i.B {
		return fmt.Errorf("a product of tiles %d×%d and %d×%d bytes in %d×%d", aRows, aBytes, bRows, bBytes, rows, bytes)
	}
	numbers := func(t uint8, rows, bytes int) (values []uint16) {
		for r := range rows {
			for k := 0; k < bytes; k += 2 {
				values = append(values, binary.LittleEndian.Uint16(u.data[t][r*rowBytes+k:]))
			}
		}
		return values
	}
	a, b := numbers(i.A, aRows, aBytes), numbers(i.B, bRows, bBytes)
	sum := make([]float32, bytes/4)
	var right amx.Right
	right.Set(b, len(sum))
	for r := range rows {
		row := u.data[i.Tile][r*rowBytes:]
		for j := range sum {
			sum[j] = math.Float32frombits(binary.LittleEndian.Uint32(row[4*j:]))
		}
		right.AddProduct(sum, a[r*aBytes/2:][:aBytes/2])
		for j, v := range sum {
			binary.LittleEndian.PutUint32(row[4*j:], math.Float32bits(v))
		}
	}
	return nil
}
