"""The same few people in every test. 平安县 has two schools; 邻县 is another tenant and must never see any of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cast:
    key: str
    name: str
    school: str
    staff_number: str
    subject: str = "语文"
    stage: str = "primary"


# Teachers: three of 希望小学, three of 平安小学.
CHEN = Cast("chen", "陈晓芳", "希望小学", "XW001")
WANG = Cast("wang", "王秀兰", "希望小学", "XW002")
LI = Cast("li", "李建国", "希望小学", "XW003", "数学")
ZHAO = Cast("zhao", "赵明霞", "平安小学", "PA001")
SUN = Cast("sun", "孙立新", "平安小学", "PA002", "数学")
ZHOU = Cast("zhou", "周文静", "平安小学", "PA003")
TEACHERS = (CHEN, WANG, LI, ZHAO, SUN, ZHOU)
# Those who run it.
TRAINER = Cast("trainer", "吴培", "平安县", "T001")
OTHER_TRAINER = Cast("other_trainer", "郑评", "平安县", "T002")
LEAD = Cast("lead", "冯校", "希望小学", "XW009")
OFFICER = Cast("officer", "褚员", "平安县", "O001")
AUDITOR = Cast("auditor", "卫审", "平安县", "A001")
IT = Cast("it", "蒋技", "平安县", "I001")
# Of another tenant.
NEIGHBOUR = Cast("neighbour", "沈邻", "邻县小学", "LX001")
