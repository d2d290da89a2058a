"""LeNet5 as the student of a thin ResNet-18, on Fashion-MNIST."""

_base_ = '../fashion_mnist/baseline_lenet5_1xb64_fashion-mnist.py'
model = dict(
    type='DistilledClassifier',
    logits_tap='backbone.classifier',
    teacher=dict(
        model='{{ fileDirname }}/../fashion_mnist/baseline_resnet18-w16_1xb64_fashion-mnist.py',
        checkpoint='work_dirs/baseline_resnet18-w16_1xb64_fashion-mnist/epoch_12.pth',
    ),
)
