"""The two ways a training run fails and the one way an inference request does."""


class ClientError(Exception):
    """The user's input is at fault: a hyperparameter, a channel or the data.

    Data errors name the file and the row or record. The container writes the message to the
    failure file as ``ClientError: ...`` and exits with 2.
    """


class AlgorithmError(Exception):
    """The algorithm is at fault.

    The failure file says ``AlgorithmError: ...`` and the exit code is 1.
    """


class InferenceError(Exception):
    """An inference request that cannot be answered.

    ``status`` is the HTTP status the client sees inside ModelError: 400 for a request that does
    not fit the model, 406 for an Accept the algorithm cannot write, 415 for a body or content type
    it cannot read.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
