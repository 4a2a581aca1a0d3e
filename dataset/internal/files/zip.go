package files

import (
	"archive/zip"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// OpenZip opens a zip archive.
func OpenZip(name string) (Tree, error) {
	archive, err := zip.OpenReader(name)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		return nil, fmt.Errorf("damaged zip archive, fetch it again: %w", err)
	}
	t := Zip(&archive.Reader)
	t.(*openable).close = archive.Close
	return t, nil
}

// Zip is the tree in a zip archive.
func Zip(archive *zip.Reader) Tree {
	archive.RegisterDecompressor(12, func(r io.Reader) io.ReadCloser { return io.NopCloser(bzip2.NewReader(r)) })
	archive.RegisterDecompressor(zstd.ZipMethodWinZip, zstd.ZipDecompressor(zstd.WithDecoderMaxMemory(256<<20), zstd.WithDecoderConcurrency(1)))
	files := map[string]*zip.File{}
	l := Listing{}
	links, again := 0, 0
	for _, f := range archive.File {
		name := inner(f.Name)
		switch mode := f.Mode(); {
		case !Visible(name):
		case mode.IsDir() || strings.HasSuffix(f.Name, "/"):
			l.Folders = append(l.Folders, name)
		case !mode.IsRegular():
			links++
		case files[name] == nil:
			files[name] = f
			l.Files = append(l.Files, File{Name: name})
		default:
			again++
		}
	}
	l.addFolders()
	l.warnOfSame(again)
	if links > 0 {
		l.Warnings = append(l.Warnings, fmt.Sprintf("%d links in the archive are not followed", links))
	}
	return &openable{
		list: func(context.Context) (*Listing, error) {
			if len(l.Files) > maxFiles {
				return nil, errTooManyFiles
			}
			copied := l
			copied.Files = append([]File(nil), l.Files...)
			copied.Folders = append([]string(nil), l.Folders...)
			return &copied, nil
		},
		size: func(name string) int64 { return int64(min(files[name].UncompressedSize64, 1<<62)) },
		open: func(name string) (io.ReadCloser, error) {
			f := files[name]
			if f == nil {
				return nil, errors.New("is not in the archive")
			}
			if f.Flags&1 != 0 {
				return nil, errors.New("is encrypted: unpack the archive with its password first")
			}
			r, err := f.Open()
			if errors.Is(err, zip.ErrAlgorithm) {
				err = fmt.Errorf("is compressed by a method that is not read (number %d): unpack the archive first", f.Method)
			}
			return r, err
		},
	}
}

// addFolders adds the folders that the files are in, each once.
func (l *Listing) addFolders() {
	seen, folders := map[string]bool{".": true, "": true}, []string(nil)
	add := func(dir string) {
		for ; !seen[dir]; dir = path.Dir(dir) {
			seen[dir] = true
			folders = append(folders, dir)
		}
	}
	for _, dir := range l.Folders {
		add(dir)
	}
	for _, f := range l.Files {
		add(path.Dir(f.Name))
	}
	l.Folders = folders
}
