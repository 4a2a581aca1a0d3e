package files

// Tar archives, which are read from the beginning each time: once to list them, and once a visit. Links within the archive stand for
// the files they lead to; the first file of each name counts.

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// IsTar says whether a file that begins like that, once uncompressed, is a tar archive; the oldest kind has its name alone to tell.
func IsTar(head []byte, name string) bool {
	if len(head) >= 262 && string(head[257:262]) == "ustar" {
		return true
	}
	name = strings.ToLower(name)
	for _, suffix := range []string{".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tbz", ".tar.xz", ".txz", ".tar.zst", ".tzst"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return false
}

// maxLinked bounds a file that several names stand for, which is held in memory to be read for each.
const maxLinked = 256 << 20

// tarred is the tree in a tar archive, which open opens anew for each pass over it.
type tarred struct {
	open   func() (io.ReadCloser, error)
	target map[string]string // of links, once the archive has been listed
}

// Tar is the tree in a tar archive, compressed or not.
func Tar(open func() (io.ReadCloser, error)) Tree { return &tarred{open: open} }

// OpenTar is the tree in a tar file.
func OpenTar(name string) Tree {
	return Tar(func() (io.ReadCloser, error) { return OpenRegular(name) })
}

func (t *tarred) Close() error { return nil }

// each calls fn for every visible entry until fn returns io.EOF. It says whether the archive had its end mark.
func (t *tarred) each(ctx context.Context, fn func(name string, head *tar.Header, r io.Reader) error) (whole bool, err error) {
	f, err := t.open()
	if err != nil {
		return false, err
	}
	defer f.Close()
	in, _, err := Uncompressed(contextReader{ctx, f})
	if err != nil {
		return false, err
	}
	end := &zeroTail{Reader: in}
	for archive := tar.NewReader(end); ; {
		head, err := archive.Next()
		if err == io.EOF {
			return end.zeros >= 2*512, nil
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) {
			return false, fmt.Errorf("damaged archive, fetch it again: %w", err)
		}
		if name := inner(head.Name); Visible(name) {
			if err := fn(name, head, archive); err != nil {
				if err == io.EOF {
					return true, nil
				}
				return false, err
			}
		}
	}
}

// zeroTail counts the zeros read last: an archive ends with two blocks of 512.
type zeroTail struct {
	io.Reader
	zeros int
}

func (z *zeroTail) Read(p []byte) (int, error) {
	n, err := z.Reader.Read(p)
	tail := 0
	for tail < min(n, 1024) && p[n-1-tail] == 0 {
		tail++
	}
	if tail == n {
		z.zeros = min(z.zeros+n, 1024)
	} else {
		z.zeros = tail
	}
	return n, err
}

func regular(head *tar.Header) bool {
	return head.Typeflag == tar.TypeReg || head.Typeflag == tar.TypeGNUSparse || head.Typeflag == tar.TypeCont
}

func (t *tarred) List(ctx context.Context, look func(name string) bool) (*Listing, error) {
	l := &Listing{}
	seen, links := map[string]bool{}, map[string]string{}
	var linked []string
	looked, again := 0, 0
	whole, err := t.each(ctx, func(name string, head *tar.Header, r io.Reader) error {
		switch {
		case head.Typeflag == tar.TypeDir:
			l.Folders = append(l.Folders, name)
		case seen[name]:
			again++
		case head.Typeflag == tar.TypeLink:
			links[name] = inner(head.Linkname)
			linked = append(linked, name)
		case head.Typeflag == tar.TypeSymlink:
			if target := path.Join(path.Dir(name), head.Linkname); !path.IsAbs(head.Linkname) && target != ".." && !strings.HasPrefix(target, "../") {
				links[name] = target
			}
			linked = append(linked, name)
		case regular(head):
			seen[name] = true
			f := File{Name: name, Size: -1}
			if looked < maxHeads && look(name) {
				looked++
				f.Size, f.Head = head.Size, headOf(r)
			}
			l.Files = append(l.Files, f)
		}
		if len(l.Files)+len(linked) > maxFiles {
			return errTooManyFiles
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t.target = map[string]string{}
	lost := 0
	for _, name := range linked {
		target := name
		for range 40 { // links to links
			if target = links[target]; links[target] == "" {
				break
			}
		}
		switch {
		case seen[name]:
		case target != "" && seen[target] && t.target[target] == "":
			seen[name], t.target[name] = true, target
			l.Files = append(l.Files, File{Name: name, Size: -1})
		default:
			lost++
		}
	}
	if lost > 0 {
		l.Warnings = append(l.Warnings, fmt.Sprintf("%d links lead to no file in the archive and are left out", lost))
	}
	l.warnOfSame(again)
	if !whole && len(l.Files) > 0 {
		l.Warnings = append(l.Warnings, "the archive has no end mark and may be cut short: fetch it again if something is missing")
	}
	l.addFolders()
	l.withoutRuns()
	return l, nil
}

func (t *tarred) Visit(ctx context.Context, names []string, fn func(string, io.Reader, error) error) error {
	wanted := make(map[string][]string, len(names)) // file: the names it is wanted by
	for _, name := range names {
		file := name
		if target := t.target[name]; target != "" {
			file = target
		}
		wanted[file] = append(wanted[file], name)
	}
	_, err := t.each(ctx, func(file string, head *tar.Header, r io.Reader) error {
		by := wanted[file]
		if len(by) == 0 || !regular(head) {
			return nil
		}
		delete(wanted, file)
		if len(by) == 1 {
			if err := fn(by[0], r, nil); err != nil {
				return err
			}
		} else {
			data, err := io.ReadAll(io.LimitReader(r, maxLinked+1))
			if err == nil && len(data) > maxLinked {
				err = fmt.Errorf("is a linked file larger than %d MiB: unpack the archive first", maxLinked>>20)
			}
			for _, name := range by {
				if err := fn(name, bytes.NewReader(data), err); err != nil {
					return err
				}
			}
		}
		if len(wanted) == 0 {
			return io.EOF // the rest of the archive need not be read
		}
		return nil
	})
	if err == nil && len(wanted) > 0 {
		err = errors.New("changed while it was read: open it again")
	}
	return err
}
