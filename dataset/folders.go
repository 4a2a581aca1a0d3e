package dataset

// Folders and archives of pictures. The first folder level names the class; a folder that every picture lies in is no class but
// packaging; folders named after splits, such as train and Test, are splits, at the top or one level below (CATEGORY/train).
//
// Data sets of defects are known by their shape, and defects and masks are not trained on: MVTec AD and BTAD keep train/good,
// test/good, test/KIND and ground_truth/KIND, VisA Data/Images/Normal, Data/Images/Anomaly and Data/Masks. Of test the good ones are
// taken; the others are the split "defects".
// Sources: Bergmann et al., "MVTec AD", CVPR 2019; Mishra et al., "VT-ADL", ISIE 2021 (BTAD); Zou et al., "SPot-the-Difference",
// ECCV 2022 (VisA).

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/joule-ebm/joule/dataset/internal/files"
)

var (
	masks  = regexp.MustCompile(`(?i)^(\w+[-_ ])?(ground[-_ ]?truths?|gt(fine|coarse)?|masks?|segmentations?(class|object)?|annotations?|labels?)([-_ ]?(tr|te|ts|train|test|val))?$`)
	images = regexp.MustCompile(`(?i)^((jpeg)?images?|imgs?|pictures?|leftimg8bit)$`)
	faulty = regexp.MustCompile(`(?i)^(bads?|defects?|defective|abnormal|anomal(y|ies|ous)|ng|nok|not[-_ ]?(good|ok)|ko|faulty|broken|rejects?(ed)?|damaged)$`)
	good   = regexp.MustCompile(`(?i)^(good|normal|ok|non?[-_ ]?defects?|defect[-_ ]?free)$`)
	visa   = regexp.MustCompile(`^[^/]+/Data/(Images|Masks)/(Normal|Anomaly)/[^/]+$`)
)

const (
	otherSplit = "another split"
	ofDefects  = "defects: the split defects"
	ofMasks    = "masks"
	noSplit    = "not the folder of a split"
	oneInTen   = "every tenth good one"
)

// findPictures finds the one data set that all pictures of a listing make.
func findPictures(l *files.Listing, alone string) []layout {
	var names []string
	for _, f := range l.Files {
		if isPicture(f) && (alone == "" || f.Name == alone) {
			names = append(names, f.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	s := sorter{names: names, folders: l.Folders, splits: map[string]string{}, groups: map[string]string{}}
	found := layout{folder: ".", splits: s.sort()}
	s.finish(found.splits)
	found.warnings, found.ofClasses = s.leftOut, s.warnings
	found.pictures = func(ctx context.Context, t files.Tree, split string) (*pictureSource, error) {
		return inTree(t, found.splits[split]), nil
	}
	labelled(l, &found)
	withColumns(l, &found)
	return []layout{found}
}

// sorter sorts pictures into splits and classes by the folders they lie in.
type sorter struct {
	names    []string          // sorted
	folders  []string          // of the tree, also empty ones
	depth    int               // leading folders that are packaging
	splits   map[string]string // of folders that are some
	groups   map[string]string // what else the names of those say, such as cats of train_cats
	masks    []Part            // left out
	leftOut  []string          // warnings of pictures that no split has
	warnings []string          // of classes
}

func (s *sorter) sort() map[string]part {
	s.unpack()
	if splits := s.visa(); splits != nil {
		return splits
	}
	if splits := s.goodBesideMasks(); splits != nil {
		return splits
	}
	s.withoutMasks()
	s.unpack()
	tops := s.foldersAt(s.names, s.depth)
	if s.areSplits(tops) {
		return s.bySplit(s.depth, s.depth+1)
	}
	// CATEGORY/train/...: splits one level below, if all the categories have them.
	nested := len(tops) > 0
	for _, top := range tops {
		below := s.foldersAt(slices.DeleteFunc(slices.Clone(s.names), func(name string) bool {
			folder, _ := folderAt(name, s.depth)
			return folder != top
		}), s.depth+1)
		nested = nested && s.areSplits(below) && slices.ContainsFunc(below, func(f string) bool { return s.splits[f] == Train })
	}
	if nested {
		return s.bySplit(s.depth+1, s.depth)
	}
	for _, top := range tops {
		if split := splitNamed(top); split != "" && !abbreviated.MatchString(top) {
			s.warn("the folder %s is taken for a class: beside it is %s, which is no split (to take a split by itself, name its folder)",
				top, tops[slices.IndexFunc(tops, func(f string) bool { return splitNamed(f) == "" })])
			break
		}
	}
	if i := slices.IndexFunc(tops, faulty.MatchString); len(tops) == 2 && i >= 0 && good.MatchString(tops[1-i]) {
		s.warn("%s and %s are taken for classes, and both are learnt: to learn what is good alone, name the folder %s", tops[1-i], tops[i], tops[1-i])
	}
	return map[string]part{"": {files: s.names, depth: s.depth, left: s.masks}}
}

// withoutMasks leaves out masks, as data to segment have them: folders beside one of images (images/1.png, masks/1.png) or below their pictures
// (1.png, label/1.png), and files beside the picture that they are named after (1.png, 1_mask.png).
func (s *sorter) withoutMasks() {
	beside, stems := map[string]bool{}, map[string]bool{} // folders that have pictures, or a folder of images; names without suffixes
	for _, name := range s.names {
		dir := path.Dir(name)
		beside[dir], stems[stemOfPicture(name)] = true, true
		for ; dir != "."; dir = path.Dir(dir) {
			if images.MatchString(path.Base(dir)) {
				beside[path.Dir(dir)] = true
			}
		}
	}
	left := map[string]int{}
	s.names = slices.DeleteFunc(s.names, func(name string) bool {
		stem := stemOfPicture(name)
		if suffix := maskSuffix.FindString(stem); suffix != "" && stems[strings.TrimSuffix(stem, suffix)] {
			left[path.Join(path.Dir(name), "*"+suffix)]++
			return true
		}
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			if masks.MatchString(path.Base(dir)) && beside[path.Dir(dir)] {
				left[dir]++
				return true
			}
		}
		return false
	})
	for _, dir := range slices.Sorted(maps.Keys(left)) {
		s.masks = append(s.masks, Part{dir, left[dir], ofMasks})
	}
}

// unpack goes past packaging: of sorted names, all share a folder if the first and the last do.
func (s *sorter) unpack() {
	for {
		first, ok := folderAt(s.names[0], s.depth)
		last, ok2 := folderAt(s.names[len(s.names)-1], s.depth)
		if !ok || !ok2 || first != last || splitNamed(first) != "" {
			break
		}
		s.depth++
	}
}

func (s *sorter) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// foldersAt are the folders at a depth of names, sorted.
func (s *sorter) foldersAt(names []string, depth int) (folders []string) {
	seen := map[string]bool{}
	for _, name := range names {
		if folder, ok := folderAt(name, depth); ok && !seen[folder] {
			seen[folder] = true
			folders = append(folders, folder)
		}
	}
	slices.Sort(folders)
	return folders
}

// areSplits says whether folders side by side are splits: if all of them are, masks aside, or two different splits are there, one of
// them for training. A folder "train" beside "tram" is a class.
func (s *sorter) areSplits(folders []string) bool {
	named, others := map[string]bool{}, 0
	splits, groups := splitsIn(folders)
	for _, folder := range folders {
		switch split := splits[folder]; {
		case split != "":
			named[split], s.splits[folder] = true, split
			if groups[folder] != "" {
				s.groups[folder] = groups[folder]
			}
		case !masks.MatchString(folder):
			others++
		}
	}
	return len(named) > 0 && (others == 0 || named[Train] && len(named) > 1)
}

// bySplit sorts by the names of the folders at a depth, classes being at another.
func (s *sorter) bySplit(at, class int) map[string]part {
	splits := map[string]part{}
	called := s.classesOfSplits(at)
	if called != nil {
		class = at
	}
	add := func(split, name string) {
		p := splits[split]
		p.files, p.depth, p.called = append(p.files, name), class, called
		splits[split] = p
	}
	kindAt := max(at, class) // of the folder that says good, or which defect: below the split
	if class < at {
		kindAt = at + 1
	}
	kindOf := func(name string) (string, bool) { return (&part{depth: kindAt, called: called}).class(name) }
	defects := s.ofDefects(at, kindOf)
	left := map[string]int{}
	for _, name := range s.names {
		folder, ok := folderAt(name, at)
		kind, _ := kindOf(name)
		switch split := s.splits[folder]; {
		case !ok:
			left[path.Dir(name)+"/*"]++
		case split == "":
			left[leading(name, at+1)]++
		case defects && split != Train && !good.MatchString(kind):
			add(Defects, name)
		default:
			add(split, name)
		}
	}
	rest := s.masks
	for _, folder := range slices.Sorted(maps.Keys(left)) {
		why := noSplit
		if masks.MatchString(path.Base(folder)) {
			why = ofMasks
		} else {
			s.leftOut = append(s.leftOut, fmt.Sprintf("%d pictures of %s are left out: it is %s, while others beside it are", left[folder], folder, noSplit))
		}
		rest = append(rest, Part{folder, left[folder], why})
	}
	for split, p := range splits {
		for _, other := range []string{Train, Test, Validation, Defects} {
			if n := len(splits[other].files); other != split && n > 0 {
				why := otherSplit
				if other == Defects {
					why = ofDefects
				}
				p.left = append(p.left, Part{":" + other, n, why})
			}
		}
		p.left = append(p.left, rest...)
		splits[split] = p
	}
	return splits
}

// classesOfSplits are the classes that the folders of splits at a depth are named after, as train_cats and train_dogs are: if they differ, and
// no picture lies in a folder below.
func (s *sorter) classesOfSplits(at int) map[string]string {
	seen := map[string]bool{}
	for _, name := range s.names {
		folder, ok := folderAt(name, at)
		if !ok || s.splits[folder] == "" {
			continue
		}
		if _, below := folderAt(name, at+1); below {
			return nil
		}
		seen[s.groups[folder]] = true
	}
	if seen[""] || len(seen) < 2 {
		return nil
	}
	return s.groups
}

// ofDefects says whether this is a data set of defects: training pictures are all good, and those to test with are not, or have masks. Without a
// good one they are classes.
func (s *sorter) ofDefects(at int, kindOf func(string) (string, bool)) bool {
	goods, others, masked := 0, 0, false
	for _, name := range s.names {
		folder, ok := folderAt(name, at)
		class, ok2 := kindOf(name)
		switch split := s.splits[folder]; {
		case !ok:
		case split == "":
			masked = masked || masks.MatchString(folder)
		case !ok2:
			return false
		case good.MatchString(class):
			goods++
		case split == Train:
			return false
		default:
			others++
		}
	}
	return goods > 0 && others > 0 || masked
}

// visa sorts the pictures of VisA, all or of one category.
func (s *sorter) visa() map[string]part {
	var normal, anomalies []string
	masked := 0
	for _, name := range s.names {
		below := strings.TrimPrefix(strings.TrimPrefix(name, leading(name, s.depth)), "/")
		m := visa.FindStringSubmatch(below)
		switch {
		case m == nil:
			return s.visaWithin()
		case m[1] == "Masks":
			masked++
		case m[2] == "Normal":
			normal = append(normal, name)
		default:
			anomalies = append(anomalies, name)
		}
	}
	return s.normalAndNot(normal, anomalies, masked, s.depth)
}

// visaWithin is visa for the folder of one category's data, which has packaging of its own.
func (s *sorter) visaWithin() map[string]part {
	var normal, anomalies []string
	masked := 0
	for _, name := range s.names {
		top, ok := folderAt(name, s.depth)
		kind, ok2 := folderAt(name, s.depth+1)
		switch {
		case !ok || !ok2:
			return nil
		case masks.MatchString(top):
			masked++
		case !images.MatchString(top):
			return nil
		case good.MatchString(kind):
			normal = append(normal, name)
		default:
			anomalies = append(anomalies, name)
		}
	}
	if masked == 0 {
		return nil
	}
	return s.normalAndNot(normal, anomalies, masked, s.depth+1)
}

// goodBesideMasks sorts good pictures, those of each kind of defect and masks side by side: good/1.png crack/1.png mask/crack/1.png.
func (s *sorter) goodBesideMasks() map[string]part {
	var normal, anomalies []string
	masked := 0
	for _, name := range s.names {
		switch top, ok := folderAt(name, s.depth); {
		case !ok || images.MatchString(top) || splitNamed(top) != "":
			return nil
		case masks.MatchString(top):
			masked++
		case good.MatchString(top):
			normal = append(normal, name)
		default:
			anomalies = append(anomalies, name)
		}
	}
	if masked == 0 || len(anomalies) == 0 {
		return nil
	}
	return s.normalAndNot(normal, anomalies, masked, s.depth)
}

// goodOnesTested is how many good pictures of a category that has no splits make one to test with.
const goodOnesTested = 10

// normalAndNot are the parts of a data set of defects that has no splits: of the good ones of each category some are to test with.
func (s *sorter) normalAndNot(normal, anomalies []string, masked, depth int) map[string]part {
	if len(normal) == 0 {
		return nil
	}
	var train, test []string
	counts := map[string]int{}
	for _, name := range normal {
		category := leading(name, depth+1)
		if counts[category]++; counts[category]%goodOnesTested == 0 {
			test = append(test, name)
		} else {
			train = append(train, name)
		}
	}
	splits := map[string]part{}
	for split, names := range map[string][]string{Train: train, Test: test, Defects: anomalies} {
		if len(names) > 0 {
			splits[split] = part{files: names, depth: depth}
		}
	}
	for split, p := range splits {
		for other, why := range map[string]string{Train: otherSplit, Test: oneInTen, Defects: ofDefects} {
			if n := len(splits[other].files); other != split && n > 0 {
				p.left = append(p.left, Part{":" + other, n, why})
			}
		}
		slices.SortFunc(p.left, func(a, b Part) int { return -strings.Compare(a.Name, b.Name) })
		if masked > 0 {
			p.left = append(p.left, Part{"masks", masked, ofMasks})
		}
		splits[split] = p
	}
	return splits
}

// finish gives splits their classes. Those of a split in which some picture lies in no class folder are none; the others share theirs,
// but for defects, whose kinds are no classes of what was trained on.
func (s *sorter) finish(splits map[string]part) {
	var shared []string
	_, defects := splits[Defects]
	for split, p := range splits {
		flat := ""
		inClass := 0
		for _, name := range p.files {
			class, ok := p.class(name)
			if !ok {
				flat = name
				continue
			}
			inClass++
			p.classes = append(p.classes, class)
		}
		if flat != "" {
			if p.classes = nil; inClass > 0 {
				s.warn("%s lies in no class folder, though %d other pictures do: no picture has a class", flat, inClass)
			}
		}
		slices.Sort(p.classes)
		p.classes = slices.Compact(p.classes)
		if !defects {
			shared = append(shared, p.classes...)
		}
		s.warnOfEmpty(p)
		splits[split] = p
	}
	if slices.Sort(shared); defects {
		return
	}
	shared = slices.Compact(shared)
	for split, p := range splits {
		if p.classes != nil {
			p.classes = shared
			splits[split] = p
		}
	}
}

// warnOfEmpty tells of folders beside those of the classes that hold no pictures.
func (s *sorter) warnOfEmpty(p part) {
	if p.classes == nil {
		return
	}
	parents := map[string]bool{}
	for _, name := range p.files {
		parents[leading(name, p.depth)] = true
	}
	for _, folder := range s.folders {
		parent := path.Dir(folder)
		if parent == "." {
			parent = ""
		}
		if strings.Count(folder, "/") != p.depth || !parents[parent] {
			continue
		}
		i, _ := slices.BinarySearch(s.names, folder+"/")
		if i == len(s.names) || !strings.HasPrefix(s.names[i], folder+"/") {
			s.warn("the folder %s holds no pictures: it is no class", folder)
		}
	}
}

// folderAt is the folder at the given depth of a name, if the name goes that deep.
func folderAt(name string, depth int) (string, bool) {
	for range depth {
		_, name, _ = strings.Cut(name, "/")
	}
	part, _, ok := strings.Cut(name, "/")
	return part, ok
}

// class is that of a picture, if it has one.
func (p *part) class(name string) (string, bool) {
	folder, ok := folderAt(name, p.depth)
	if ok && p.called != nil {
		folder, ok = p.called[folder]
	}
	return folder, ok
}

// inTree is the pictures of a part of a tree.
func inTree(t files.Tree, p part) *pictureSource {
	labels := make(map[string]place, len(p.files))
	for i, name := range p.files {
		label := int32(-1)
		if p.classes != nil {
			class, _ := p.class(name)
			at, _ := slices.BinarySearch(p.classes, class)
			label = int32(at)
		}
		labels[name] = place{i, label}
	}
	return &pictureSource{
		n: len(p.files), classes: p.classes,
		visit: func(ctx context.Context, fn func(encoded) error) error {
			return t.Visit(ctx, p.files, func(name string, r io.Reader, err error) error {
				at := labels[name]
				return fn(encoded{at: at.at, name: name, label: at.label, r: r, err: err})
			})
		},
	}
}

type place struct {
	at    int
	label int32
}

// labelled takes classes from the files that lie beside the pictures of a WebDataset shard: 000017.cls, the number of the class as
// text, beside 000017.jpg. Source: github.com/webdataset/webdataset, "The WebDataset format".
func labelled(l *files.Listing, found *layout) {
	stem := func(name string) string {
		dir, base := path.Split(name)
		base, _, _ = strings.Cut(base, ".")
		return dir + base
	}
	numbers := map[string]string{}
	for _, f := range l.Files {
		if strings.HasSuffix(f.Name, ".cls") {
			numbers[stem(f.Name)] = f.Name
			found.extra = append(found.extra, f.Name)
		}
	}
	if len(numbers) == 0 {
		return
	}
	for _, p := range found.splits {
		for _, name := range p.files {
			if numbers[stem(name)] == "" {
				found.ofClasses = append(found.ofClasses, fmt.Sprintf("%s has no .cls file beside it, as others have: no picture has a class from them", name))
				return
			}
		}
	}
	plain := found.pictures
	found.pictures = func(ctx context.Context, t files.Tree, split string) (*pictureSource, error) {
		src, err := plain(ctx, t, split)
		if err != nil {
			return nil, err
		}
		const most = 1 << 16 // classes
		labels := map[string]int32{}
		var wanted []string
		for _, name := range found.splits[split].files {
			wanted = append(wanted, numbers[stem(name)])
		}
		classes := 0
		err = readAll(ctx, t, wanted, func(name string, r io.Reader) error {
			text, err := readFile(r, 64)
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil || n < 0 || n >= most {
				return fmt.Errorf("%.20q is not the number of a class", text)
			}
			labels[stem(name)], classes = int32(n), max(classes, n+1)
			return nil
		})
		if err != nil {
			return nil, err
		}
		visit := src.visit
		return &pictureSource{n: src.n, classes: numberedClasses(classes), visit: func(ctx context.Context, fn func(encoded) error) error {
			return visit(ctx, func(p encoded) error {
				p.label = labels[stem(p.name)]
				return fn(p)
			})
		}}, nil
	}
}
