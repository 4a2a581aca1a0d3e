package expr

// Op names one operation of the closed set: the derivative of each is written in operations of the same set.
type Op uint8

// The operations. Each has a constructor of the same name that says what it computes.
const (
	OpInvalid Op = iota
	// Leaves.
	OpInput
	OpParam
	OpGaussian
	OpUniform
	OpConst
	OpBatchSize
	// Pointwise, with broadcasting of axes of size 1.
	OpAdd
	OpMul
	OpAffine
	OpPow
	OpExp
	OpLog
	OpSwish
	OpClamp
	OpWithin
	// Sums over axes, and their transposes.
	OpSum
	OpBroadcast
	OpGroupSum
	OpSlice
	OpEmbed
	// Linear maps over pixels.
	OpConv
	OpFlip
	OpConvKernel
	OpPool
	OpUnpool
	OpMatMul
	// Statistics of an image.
	OpSoftmax
	OpNormalise
	OpInvStd
	// Locally constant choices.
	OpSingular
	OpNearest
	OpStop
	// Between the kinds.
	OpBatchSum
	OpSpread
	opCount
)

var opNames = [opCount]string{
	OpInvalid: "invalid", OpInput: "Input", OpParam: "Param", OpGaussian: "Gaussian", OpUniform: "Uniform", OpConst: "Const",
	OpBatchSize: "BatchSize", OpAdd: "Add", OpMul: "Mul", OpAffine: "Affine", OpPow: "Pow", OpExp: "Exp", OpLog: "Log",
	OpSwish: "Swish", OpClamp: "Clamp", OpWithin: "Within", OpSum: "Sum", OpBroadcast: "Broadcast", OpGroupSum: "GroupSum",
	OpSlice: "Slice", OpEmbed: "Embed", OpConv: "Conv", OpFlip: "Flip", OpConvKernel: "ConvKernel", OpPool: "Pool",
	OpUnpool: "Unpool", OpMatMul: "MatMul", OpSoftmax: "Softmax", OpNormalise: "Normalise", OpInvStd: "InvStd",
	OpSingular: "Singular", OpNearest: "Nearest", OpStop: "Stop", OpBatchSum: "BatchSum", OpSpread: "Spread",
}

func (o Op) String() string {
	if o < opCount {
		return opNames[o]
	}
	return "unknown"
}

// Pointwise says whether each element of the result depends on the elements of the inputs in the same place alone.
func (o Op) Pointwise() bool { return o >= OpAdd && o <= OpWithin }

// Leaf says whether the operation has no inputs.
func (o Op) Leaf() bool { return o >= OpInput && o <= OpBatchSize }
