"""Every cause that the doctor knows: its code, how bad it is, what it says, the change to make.

The order is that of likelihood: what stands earlier explains what stands later, so the first
finding is the one to mend first. The last ones are symptoms, which do not say what is wrong.
To add a cause, give it a line here and a check that finds it; braces take the finding's evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from kerastextzoo.errors import KerasTextZooError, nearest, quoted

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Cause:
    """One line of the table.

    Attributes:
        code: Stable, kebab-case.
        severity: `error`: it can't learn so; `warning`: it learns worse; `note`: good to know.
        what: What is wrong.
        remedy: The one change to make.
        symptom: It tells that something is wrong, not what.
        explains: Codes that follow from it, and are left out beside it.
    """

    code: str
    severity: Severity
    what: str
    remedy: str
    symptom: bool = False
    explains: tuple[str, ...] = ()


CAUSES: tuple[Cause, ...] = (
    # What stops every step, whatever the data.
    Cause(
        "labels-are-text",
        "error",
        "the labels are strings, such as {example}; a loss needs numbers",
        "turn the labels into class numbers, 0 to {last}",
    ),
    Cause(
        "ids-beyond-embedding",
        "error",
        "token ids go up to {largest_id}, the embedding has {rows} rows",
        "make the embedding {needed} rows long, or the vocabulary {rows} tokens",
    ),
    Cause(
        "not-finite-data",
        "error",
        "{numbers} numbers of the data are NaN or infinite, in {rows} rows",
        "mend or drop those rows, the first is {first_row}",
    ),
    Cause(
        "answers-for-each-step",
        "error",
        "the model answers for each step, {shape}, not for the text",
        "let the last recurrent layer return its last state alone, or pool the steps",
    ),
    Cause(
        "one-unit-softmax",
        "error",
        "a softmax over one unit is 1.0 whatever the text",
        "use sigmoid, or {classes} units",
    ),
    Cause(
        "too-few-units",
        "error",
        "the last layer has {units} units for {classes} classes",
        "give the last layer {classes} units",
    ),
    Cause(
        "labels-out-of-range",
        "error",
        "labels go from {lowest} to {highest}; this loss takes {wanted}",
        "number the classes {wanted}",
    ),
    Cause(
        "integer-labels-with-one-hot-loss",
        "error",
        "{loss} compares {units} probabilities with one class number",
        "use sparse_categorical_crossentropy, or turn the labels into one-hot rows",
    ),
    Cause(
        "one-hot-labels-with-integer-loss",
        "error",
        "{loss} takes class numbers; the labels are one-hot rows of {columns}",
        "use categorical_crossentropy, or take the argmax of the labels",
    ),
    Cause(
        "answers-rounded",
        "error",
        "the loss does not change with the answers: they are rounded or arg-maxed on the way to it",
        "give the loss the probabilities as they are; round only what is shown",
        explains=(
            "embedding-never-updated",
            "weights-without-gradient",
            "vanishing-gradient",
        ),
    ),
    Cause(
        "sigmoid-after-softmax",
        "error",
        "a sigmoid after the softmax squeezes all answers between {lowest} and {highest}",
        "remove the sigmoid",
    ),
    Cause(
        "softmax-twice",
        "error",
        "softmax is applied twice: even a perfect answer has a loss of {best_loss}",
        "take one of them out: {which}",
    ),
    Cause(
        "sigmoid-twice",
        "error",
        "sigmoid is applied twice: even a perfect answer has a loss of {best_loss}",
        "take the sigmoid out of the model, or from_logits=True out of the loss",
    ),
    Cause(
        "logits-taken-for-probabilities",
        "error",
        "the model's answers go from {lowest} to {highest}; the loss takes them for probabilities",
        "give the loss from_logits=True, or the last layer a {activation}",
        explains=("exploding-gradient",),
    ),
    Cause(
        "sigmoid-with-categorical-loss",
        "error",
        "{loss} takes probabilities that sum to 1; those of the sigmoid sum to {sum}",
        "use softmax in the last layer",
    ),
    Cause(
        "regression-loss-on-classes",
        "error",
        "{loss} measures distances between numbers; the labels are {classes} classes",
        "use {wanted}",
    ),
    Cause(
        "binary-loss-on-exclusive-classes",
        "warning",
        "{loss} takes {classes} classes of which one holds for {classes} separate questions",
        "use softmax and categorical_crossentropy",
    ),
    # What stops weights from moving.
    Cause(
        "everything-frozen",
        "error",
        "none of the {weights} weights is trainable",
        "set trainable=True on the layers that are to learn, then compile again",
    ),
    Cause(
        "weights-not-finite",
        "error",
        "{numbers} weights are NaN or infinite, first in layer {layer}",
        "build the model anew, and lower the learning rate or set global_clipnorm",
        explains=(
            "exploding-gradient",
            "weights-without-gradient",
        ),
    ),
    Cause(
        "weights-all-equal",
        "error",
        "all weights of layer {layer} start equal, so its units learn the same or nothing",
        "leave kernel_initializer at its default",
        explains=(
            "embedding-never-updated",
            "weights-without-gradient",
            "vanishing-gradient",
        ),
    ),
    Cause(
        "embedding-never-updated",
        "error",
        "no gradient reaches the embedding, although it is trainable",
        "remove what cuts it off (stop_gradient, argmax, a cast to integers) above {layer}",
        explains=("weights-without-gradient",),
    ),
    Cause(
        "weights-without-gradient",
        "error",
        "no gradient reaches {layers} of {all_layers} layers with weights, first {layer}",
        "let the loss depend on them: look for stop_gradient, argmax or a cut between {layer} and "
        "the answers",
    ),
    Cause(
        "dead-relu",
        "error",
        "{share} of the ReLU units of layer {layer} are 0 for every text",
        "start {layer} anew, without a negative bias and with a lower learning rate",
        explains=(
            "embedding-never-updated",
            "weights-without-gradient",
            "vanishing-gradient",
        ),
    ),
    Cause(
        "saturated-units",
        "error",
        "{share} of layer {layer} is stuck at the flat ends of its {activation}",
        "scale the inputs of {layer} to about 1, and leave its initializers at their defaults",
        explains=(
            "vanishing-gradient",
            "weights-without-gradient",
            "embedding-never-updated",
        ),
    ),
    Cause(
        "exploding-gradient",
        "error",
        "the gradient's norm is {norm}",
        "set global_clipnorm=1.0 in the optimizer",
        explains=("vanishing-gradient",),
    ),
    Cause(
        "vanishing-gradient",
        "error",
        "the gradient of layer {layer} is {ratio} of that of the last layer",
        "put fewer layers between, with ReLU, residual connections or normalisation",
    ),
    Cause(
        "frozen-random-embedding",
        "warning",
        "the embedding is frozen at random values: {rows} rows without any structure",
        "set trainable=True, or start it from word vectors",
    ),
    # How the learning rate goes.
    Cause(
        "learning-rate-dies",
        "error",
        "the learning rate falls from {first} to {last}; it is below a thousandth of its best "
        "after epoch {dead_after}",
        "step the schedule by epochs of {steps_of_an_epoch} steps, not by batches",
    ),
    Cause(
        "optimizer-reset",
        "error",
        "a callback gives the model a new optimizer, {times} times in {epochs} epochs",
        "compile once, before fit; to change the rate use LearningRateScheduler",
    ),
    Cause(
        "clip-too-small",
        "error",
        "clipping leaves {share} of each step",
        "raise {clip} to about {norm}, or leave it out",
    ),
    Cause(
        "weight-decay-too-strong",
        "error",
        "{decay} pulls the weights to 0: {detail}",
        "lower it a hundredfold, or leave it out",
    ),
    Cause(
        "learning-rate-too-high",
        "error",
        "at a rate of {rate} the loss goes from {start} to {end}; at {better} to {reached}",
        "set the learning rate to {better}",
    ),
    Cause(
        "learning-rate-too-low",
        "error",
        "at a rate of {rate} the loss goes from {start} to {end}; at {better} to {reached}",
        "set the learning rate to {better}",
    ),
    # What the data and its order say.
    Cause(
        "one-class-only-in-data",
        "error",
        "all {rows} labels are {label}",
        "give at least two classes",
    ),
    Cause(
        "sorted-by-class",
        "error",
        "the rows come sorted by class and are not shuffled: {one_class} of the batches have one "
        "class, {expected} would if they were shuffled",
        "shuffle the rows before training, over the whole data set",
        explains=("batches-of-one-class",),
    ),
    Cause(
        "batches-of-one-class",
        "error",
        "{one_class} of the batches have one class, {expected} would if the rows were shuffled",
        "shuffle the rows before training, over the whole data set",
    ),
    Cause(
        "labels-do-not-follow-texts",
        "error",
        "a linear model finds nothing: {accuracy} on held-out rows, {chance} by always giving the "
        "largest class",
        "check that texts and labels are in the same order: one of them was shuffled alone",
    ),
    Cause(
        "label-order-differs",
        "error",
        "class numbers mean other classes in the validation data: {accuracy} as they are, "
        "{renumbered} renumbered",
        "make the list of classes once, from the training data, and use it everywhere",
    ),
    Cause(
        "vocabulary-of-other-data",
        "error",
        "token ids mean other words in the validation data: a linear model has {accuracy} there, "
        "{training} on held-out training rows",
        "fit the vocabulary once, on the training texts, and use it everywhere",
    ),
    Cause(
        "validation-misses-classes",
        "error",
        "{missing} of {classes} classes are only in one of training and validation data",
        "split by class (stratified), after shuffling",
        explains=(
            "vocabulary-of-other-data",
            "label-order-differs",
            "unused-units",
        ),
    ),
    Cause(
        "validation-is-training",
        "error",
        "the validation data is the training data: {share} of its rows",
        "validate on rows that are not trained on",
        explains=("overlapping-splits",),
    ),
    Cause(
        "unknown-labels",
        "error",
        "{rows} rows have labels that training lacks, such as {example}",
        "read them as others (--label-map OLD=NEW), or train on texts that have them",
    ),
    Cause(
        "overlapping-splits",
        "warning",
        "{share} of the validation rows are training rows too: its scores are too good",
        "remove from training what validation repeats",
    ),
    Cause(
        "conflicting-labels",
        "warning",
        "{share} of the rows stand there again with another label, {rows} rows",
        "decide for one label a text, or drop those rows",
    ),
    Cause(
        "repeated-rows",
        "warning",
        "{share} of the rows repeat an earlier one, {rows} rows",
        "keep one of each",
    ),
    Cause(
        "one-class-dominates",
        "warning",
        "{share} of the rows are of class {label}; always giving it has that accuracy",
        "look at macro-F1, and give the classes weights (class_weight; class_weights=balanced in "
        "the zoo's models)",
    ),
    Cause(
        "one-time-step",
        "error",
        "{layer} reads {features} features as one time step, so there is no sequence to read",
        "use dense layers, or give the recurrent layer one step a token",
        explains=("features-not-scaled",),
    ),
    Cause(
        "features-not-scaled",
        "error",
        "the inputs go from {lowest} to {highest}",
        "scale each feature to mean 0 and deviation 1",
        explains=(
            "exploding-gradient",
            "saturated-units",
        ),
    ),
    # What the tokens say.
    Cause(
        "texts-are-numbers",
        "warning",
        "{share} of the texts are numbers, such as {example}",
        "name the column of the texts: --text-column",
    ),
    Cause(
        "unsegmented-text",
        "error",
        "texts of {characters} characters are {tokens} tokens: the tokenizer finds no spaces",
        "use --tokenizer char or jieba",
    ),
    Cause(
        "low-coverage",
        "error",
        "word vectors cover {coverage} of the tokens",
        "use vectors made of the same language, letter case and tokenizer as the texts",
    ),
    Cause(
        "unknown-is-padding",
        "error",
        "{share} of the places inside the texts are 0, the id of padding: unknown words are hidden "
        "with it",
        "give unknown words an id of their own, such as 1",
    ),
    Cause(
        "unknown-tokens",
        "warning",
        "{share} of the tokens are id {token}, probably the unknown word",
        "keep more words, or lower-case and split the texts as the vocabulary's",
        explains=("labels-do-not-follow-texts",),
    ),
    Cause(
        "truncation-cuts-signal",
        "warning",
        "{share} of the texts fill all {length} places; {detail}",
        "read more tokens ({proposal}), or those that tell the class",
        explains=("labels-do-not-follow-texts",),
    ),
    Cause(
        "mostly-padding",
        "warning",
        "{share} of the places are padding: {length} places, {p95} tokens in 95 % of the texts",
        "cut at {p95} places",
    ),
    # What happens to padding and time inside the model.
    Cause(
        "last-step-is-padding",
        "error",
        "{layer} is read after {padding} steps of padding (median); {share} of its gradient "
        "reaches the words",
        "set mask_zero=True in the embedding, or pad on the other side",
        explains=(
            "gradient-fades-over-time",
            "vanishing-gradient",
            "embedding-never-updated",
            "mostly-padding",
        ),
    ),
    Cause(
        "mask-lost",
        "warning",
        "{layer} drops the mask, and {reader} reads padding as if it were text",
        "use a layer that keeps the mask, such as kerastextzoo.layers.{instead}",
        explains=("last-step-is-padding",),
    ),
    Cause(
        "gradient-fades-over-time",
        "warning",
        "the gradient of {layer} reaches {reach} steps back, the texts have {length} (median)",
        "shorten the sequence before it (Conv1D and max-pooling; in cnn_lstm a larger pool_size), "
        "or pool over all its states (in lstm, res_lstm and rnn readout=max)",
    ),
    # What differs between training and use.
    Cause(
        "dropout-at-inference",
        "error",
        "the same text gets other answers each time, up to {difference} apart: dropout is active "
        "outside of training",
        "do not call layers with training=True",
    ),
    Cause(
        "batch-norm-statistics",
        "error",
        "accuracy on the same rows is {in_training} in training mode and {in_use} in use: the "
        "statistics of {layer} don't match",
        "set momentum=0.9 in BatchNormalization, keep it trainable, train in larger batches",
    ),
    Cause(
        "over-regularised",
        "error",
        "dropout leaves {kept} of the features: with it one batch gets {accuracy}, without it "
        "{without}",
        "lower the dropout to 0.5 at most",
        explains=(
            "learning-rate-too-low",
            "learning-rate-too-high",
        ),
    ),
    Cause(
        "misleading-metric",
        "warning",
        "{metric} is {blind} for answers that are always wrong",
        "watch {instead}",
    ),
    Cause(
        "unused-units",
        "note",
        "the last layer has {units} units, the labels have {classes} classes",
        "check that no class is missing",
    ),
    Cause(
        "read-with-warnings",
        "note",
        "{number} things were guessed, dropped or cut off on the way in, first: {first}",
        "look at the data: kerastextzoo data inspect",
    ),
    # Symptoms.
    Cause(
        "not-finite-loss",
        "error",
        "the loss is {loss} after {steps} steps",
        "lower the learning rate, or set global_clipnorm=1.0",
        symptom=True,
    ),
    Cause(
        "one-class-only",
        "error",
        "all {rows} answers are class {label}",
        "let the doctor look at model and data: kerastextzoo.doctor.diagnose",
        symptom=True,
    ),
    Cause(
        "no-movement",
        "error",
        "the loss stays where it is: {start}, then {end}",
        "let the doctor look at model and data: kerastextzoo.doctor.diagnose",
        symptom=True,
    ),
    Cause(
        "over-fitting",
        "warning",
        "validation is best at epoch {best_epoch} and gets worse, while the training loss falls "
        "from {start} to {end}",
        "stop there; then more dropout, fewer units, or more texts",
        symptom=True,
    ),
    Cause(
        "only-one-batch-learned",
        "note",
        "one batch of {rows} rows is learned ({batch}), all rows are not: {accuracy} after {steps} "
        "steps, {chance} by guessing",
        "model and gradient are sound: look at data, regularisation and rate, or train longer",
        symptom=True,
    ),
    Cause(
        "cannot-overfit-one-batch",
        "error",
        "{steps} steps on the same {rows} rows reach {accuracy}, with a plain Adam too: model or "
        "gradient is at fault, not the data",
        "make the model simpler, layer by layer, until one batch is learned",
        symptom=True,
    ),
)

_BY_CODE: Mapping[str, Cause] = MappingProxyType({cause.code: cause for cause in CAUSES})


def get_cause(code: str) -> Cause:
    """Look one cause up.

    Raises:
        KerasTextZooError: There is no such code.

    Example:
        >>> get_cause("too-few-units").severity
        'error'
    """
    if code not in _BY_CODE:
        raise KerasTextZooError(f"no cause {quoted(code)}; {nearest(code, _BY_CODE)}")
    return _BY_CODE[code]
